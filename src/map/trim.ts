import { modeAnnotation } from '../evaluator/policy.ts';
import { lastAppliedAnnotation, lastAppliedLabels } from '../impact/changes.ts';
import { isJsonObject, listAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { localDnsArguments } from '../suggest/dns.ts';

const trims: Readonly<Record<string, (object: JsonObject) => JsonObject>> = {
  Pod: trimPod,
  Node: trimNode,
  Namespace: trimNamespace,
  NetworkPolicy: trimPolicy,
  ClusterNetworkPolicy: trimPolicy,
};

/**
 * Keeps of objects what the page needs, and drops other kinds. A page is sent to others as an export, so nothing else may be in it: no environment, arguments, images,
 * volumes or annotations of pods. The evaluator, workloads and suggestions find the same in both.
 */
export function trimObjects(objects: Iterable<JsonObject>): JsonObject[] {
  const trimmed: JsonObject[] = [];
  for (const object of objects) {
    const kind = textAt(object, 'kind') ?? '';
    if (Object.hasOwn(trims, kind)) trimmed.push({ ...pick(object, ['apiVersion', 'kind']), ...trims[kind]!(object) });
  }
  return trimmed;
}

function trimPod(object: JsonObject): JsonObject {
  const spec = objectAt(object, 'spec');
  const [first, ...rest] = listAt(spec, 'containers').map(trimContainer);
  const args = localDnsArguments(object);
  const containers = first ? [{ ...first, ...(args.length > 0 && { args }) }, ...rest] : [];
  const owners = listAt(object, 'metadata', 'ownerReferences').map((each) =>
    pick(objectAt(each), ['kind', 'name', 'controller']),
  );
  return {
    metadata: { ...trimMetadata(object), ...(owners.length > 0 && { ownerReferences: owners }) },
    spec: {
      ...pick(spec, ['nodeName', 'hostNetwork']),
      containers,
      ...('initContainers' in spec && { initContainers: listAt(spec, 'initContainers').map(trimContainer) }),
    },
    status: {
      ...pick(objectAt(object, 'status'), ['phase', 'podIP']),
      podIPs: listAt(object, 'status', 'podIPs').map((each) => pick(objectAt(each), ['ip'])),
    },
  };
}

function trimContainer(container: unknown): JsonObject {
  const ports = listAt(container, 'ports').filter(isJsonObject);
  return {
    ...pick(objectAt(container), ['name', 'restartPolicy']),
    ...(ports.length > 0 && { ports: ports.map((port) => pick(port, ['name', 'containerPort', 'protocol'])) }),
  };
}

function trimNode(object: JsonObject): JsonObject {
  const addresses = listAt(object, 'status', 'addresses').map((each) => pick(objectAt(each), ['type', 'address']));
  return {
    metadata: trimMetadata(object),
    spec: pick(objectAt(object, 'spec'), ['podCIDR', 'podCIDRs']),
    status: { addresses },
  };
}

/** A what-if takes away the labels that the last apply has set, as kubectl does. Of that annotation, only the names of labels count. */
function trimNamespace(object: JsonObject): JsonObject {
  const names = [...lastAppliedLabels(object)];
  const applied = JSON.stringify({ metadata: { labels: Object.fromEntries(names.map((name) => [name, ''])) } });
  const annotations = { [lastAppliedAnnotation]: applied };
  return { metadata: { ...trimMetadata(object), ...(names.length > 0 && { annotations }) } };
}

/** Whole, because the page shows the lines that decide, and what is invalid. */
function trimPolicy(object: JsonObject): JsonObject {
  const annotations = pick(objectAt(object, 'metadata', 'annotations'), [modeAnnotation]);
  const hasMode = modeAnnotation in annotations;
  return { metadata: { ...trimMetadata(object), ...(hasMode && { annotations }) }, ...pick(object, ['spec']) };
}

function trimMetadata(object: JsonObject): JsonObject {
  const labels = Object.entries(objectAt(object, 'metadata', 'labels')).filter(
    ([, value]) => typeof value === 'string',
  );
  return {
    ...pick(objectAt(object, 'metadata'), ['name', 'namespace', 'uid', 'generation', 'deletionTimestamp']),
    labels: Object.fromEntries(labels),
  };
}

function pick(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(object, name) && object[name] !== undefined ? [[name, object[name]]] : [])),
  );
}
