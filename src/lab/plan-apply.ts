import { objectAt, textAt } from './api/object.ts';
import type { ApiObject } from './api/object.ts';
import { apiVersionOf, resourceNames, resources } from './api/resources.ts';
import type { ResourceName } from './api/resources.ts';

/** One object to create or to replace. */
export interface ApplyStep {
  readonly resource: ResourceName;
  readonly object: ApiObject;
  /** Leaves an existing object unchanged. */
  readonly onlyCreate: boolean;
}

export interface ApplyPlan {
  readonly steps: readonly ApplyStep[];
  /** Skipped objects whose kind the lab does not serve, for example `Ingress shop/web`. */
  readonly ignored: readonly string[];
}

/** Fields that the server writes, and that may come from another cluster. */
const serverFields = ['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink', 'managedFields'];

/** Orders given namespaces first, then namespaces that objects name, then the rest. Removes `nodeName` if it is not in `nodes`. */
export function planApply(objects: readonly ApiObject[], nodes: ReadonlySet<string>): ApplyPlan {
  const entries = objects.map((object) => ({ resource: resourceOf(object), object: asManifest(object, nodes) }));
  const served = entries.flatMap(({ resource, object }) =>
    resource ? [{ resource, object, onlyCreate: false } satisfies ApplyStep] : [],
  );
  const namespaces = served.filter(({ resource }) => resource === 'namespaces');
  const rest = served.filter(({ resource }) => resource !== 'namespaces');
  const named = new Set<string>();
  for (const { resource, object } of rest) {
    if (resources[resource].namespaced) named.add((object.metadata.namespace ??= 'default'));
  }
  return {
    steps: [...namespaces, ...[...named].map(namespaceStep), ...rest],
    ignored: entries.filter(({ resource }) => !resource).map(({ object }) => describeObject(object)),
  };
}

/** `Pod shop/web`, or `Node n1` */
export function describeObject({ kind, metadata: { namespace, name } }: ApiObject): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}

function namespaceStep(name: string): ApplyStep {
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  return { resource: 'namespaces', object, onlyCreate: true };
}

function resourceOf({ apiVersion, kind }: ApiObject): ResourceName | undefined {
  return resourceNames.find((name) => resources[name].kind === kind && apiVersionOf(resources[name]) === apiVersion);
}

function asManifest(object: ApiObject, nodes: ReadonlySet<string>): ApiObject {
  const { status: _, ...rest } = structuredClone(object);
  for (const field of serverFields) delete rest.metadata[field];
  // A pod of another cluster may name a node that does not exist here.
  const spec = rest.kind === 'Pod' ? objectAt(rest, 'spec') : undefined;
  const node = textAt(spec, 'nodeName');
  if (spec && node && !nodes.has(node)) delete spec['nodeName'];
  return rest;
}
