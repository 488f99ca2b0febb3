import { isJsonObject, listAt, objectAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { sorted } from '../lib/sort.ts';
import type { ApiObject } from './load.ts';
import { namespaceOf } from './workloads.ts';

const clusterScoped: ReadonlySet<string> = new Set([
  ...['Namespace', 'Node', 'Host', 'ClusterNetworkPolicy', 'ClusterRole', 'ClusterRoleBinding'],
  'CustomResourceDefinition',
]);

/**
 * Sets the defaults of the API server that policies depend on: the namespace `default`, the label `kubernetes.io/metadata.name`
 * (S3.3), policyTypes (S2.1), protocols (S4.1). Adds missing namespaces, each with a note.
 * Sets missing fields only: present values stay unchanged, valid or not.
 */
export function applyDefaults(objects: readonly ApiObject[]): { objects: ApiObject[]; notes: string[] } {
  const filled = objects.map((object) => fillIn(object));
  const given = new Set(filled.filter(isNamespace).map((object) => textAt(object, 'metadata', 'name')));
  const used = new Set(filled.filter((object) => !isClusterScoped(object)).map(namespaceOf));
  const missing = sorted(used).filter((name) => !given.has(name));
  return {
    objects: [...missing.map((name) => labelNamespace(namespaceObject(name))), ...filled],
    notes: missing
      .filter((name) => name !== 'default')
      .map((name) => `namespace ${name} is not in the manifests: assuming that it exists without labels`),
  };
}

function fillIn(object: ApiObject): ApiObject {
  if (isNamespace(object)) return labelNamespace(object);
  if (isClusterScoped(object)) return object;
  const metadata = { ...objectAt(object, 'metadata'), namespace: namespaceOf(object) };
  const placed = { ...object, metadata };
  if (object['kind'] === 'NetworkPolicy') return fillInPolicy(placed);
  return object['kind'] === 'Pod' ? fillInPod(placed) : placed;
}

function fillInPolicy(object: ApiObject): ApiObject {
  const spec = object['spec'] ?? {};
  if (!isJsonObject(spec)) return object;
  const types = spec['policyTypes'] ?? [];
  const egress = listAt(spec, 'egress').length > 0;
  return {
    ...object,
    spec: {
      ...spec,
      ...(Array.isArray(types) && types.length === 0
        ? { policyTypes: ['Ingress', ...(egress ? ['Egress'] : [])] }
        : {}),
      ...mapList(spec, 'ingress', (rule) => ({ ...rule, ...mapList(rule, 'ports', fillInProtocol) })),
      ...mapList(spec, 'egress', (rule) => ({ ...rule, ...mapList(rule, 'ports', fillInProtocol) })),
    },
  };
}

function fillInPod(object: ApiObject): ApiObject {
  const spec = objectAt(object, 'spec');
  const fillInContainer = (container: JsonObject): JsonObject => ({
    ...container,
    ...mapList(container, 'ports', fillInProtocol),
  });
  return {
    ...object,
    spec: {
      ...spec,
      ...mapList(spec, 'containers', fillInContainer),
      ...mapList(spec, 'initContainers', fillInContainer),
    },
  };
}

function fillInProtocol(port: JsonObject): JsonObject {
  return { ...port, protocol: port['protocol'] ?? 'TCP' };
}

/** `{ [key]: … }` with every mapping of the list changed; `{}` if the field is not a list. */
function mapList(parent: JsonObject, key: string, change: (entry: JsonObject) => JsonObject): JsonObject {
  const list = parent[key];
  return Array.isArray(list) ? { [key]: list.map((each: unknown) => (isJsonObject(each) ? change(each) : each)) } : {};
}

function labelNamespace(object: ApiObject): ApiObject {
  const metadata = objectAt(object, 'metadata');
  const labels = { ...objectAt(metadata, 'labels'), 'kubernetes.io/metadata.name': textAt(metadata, 'name') };
  return { ...object, metadata: { ...metadata, labels } };
}

function namespaceObject(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

function isNamespace(object: ApiObject): boolean {
  return object['kind'] === 'Namespace';
}

function isClusterScoped(object: ApiObject): boolean {
  return clusterScoped.has(textAt(object, 'kind') ?? '');
}
