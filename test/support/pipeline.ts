import type { ShapeLimits } from '../../src/compile/shape-limits.ts';
import { policyKinds } from '../../src/kinds/all.ts';
import type { ObjectKey, ResourceEvent, ResourceName } from '../../src/model/cluster.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Pipeline, type PipelineOptions } from '../../src/pipeline.ts';
import { optionalResources, watchedResources } from '../../src/watch/resources.ts';
import { readIdentity } from '../../src/watch/decode.ts';

export interface ApiObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

const resourceOfKind: Readonly<Record<string, ResourceName>> = {
  Pod: 'pods',
  Namespace: 'namespaces',
  Node: 'nodes',
  ...Object.fromEntries(policyKinds.map(({ name, resource }) => [name, resource.name])),
};

export function resourceOf(object: ApiObject): ResourceName {
  const resource = resourceOfKind[object.kind];
  if (!resource) throw new Error(`the agent watches no objects of the kind ${object.kind}`);
  return resource;
}

export function keyOf(object: ApiObject): ObjectKey {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The event of the watch room for the object. */
export function upsertOf(object: ApiObject): ResourceEvent {
  const resource = [...watchedResources, ...optionalResources].find((each) => each.resource === resourceOf(object))!;
  const identity = readIdentity(object)!;
  const { value, issues } = resource.decode(object, identity);
  const { uid, resourceVersion, generation } = identity;
  const key = keyOf(object);
  return { op: 'upsert', resource: resource.resource, key, uid, resourceVersion, generation, value, issues };
}

export function removeOf(object: ApiObject): ResourceEvent {
  return { op: 'remove', resource: resourceOf(object), key: keyOf(object) };
}

export function syncedEvents(): ResourceEvent[] {
  return resourceNames.map((resource) => ({ op: 'synced', resource }));
}

export function startPipeline(nodeName: string, objects: Iterable<ApiObject>, options?: PipelineOptions): Pipeline {
  const pipeline = new Pipeline(nodeName, options);
  for (const object of objects) pipeline.receive(upsertOf(object));
  for (const event of syncedEvents()) pipeline.receive(event);
  return pipeline;
}

/** The desired tables of one node. */
export function compileNode(nodeName: string, objects: Iterable<ApiObject>, limits?: ShapeLimits): Ruleset {
  return startPipeline(nodeName, objects, limits && { limits }).plan(undefined).compiled.ruleset;
}
