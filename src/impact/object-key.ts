import { textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';

/** Cluster-scoped kinds that matter here. */
const clusterScoped: ReadonlySet<string> = new Set(['Namespace', 'Node', 'Host', 'ClusterNetworkPolicy']);

const ownGroups = ['', 'networking.k8s.io', 'policy.networking.k8s.io', 'apps', 'batch', 'lab.postern.dev'];

/** `NetworkPolicy shop/web`, `ClusterNetworkPolicy guard`, `Namespace shop`; with the group for foreign kinds: `NetworkPolicy.crd.projectcalico.org shop/web`. */
export function keyOf(object: JsonObject): string {
  const kind = textAt(object, 'kind') ?? '';
  const group = (textAt(object, 'apiVersion') ?? '').split('/').toReversed()[1] ?? '';
  const own = ownGroups.includes(group) ? kind : `${kind}.${group}`;
  const name = textAt(object, 'metadata', 'name') ?? '';
  const namespace = namespaceOf(object);
  return namespace === undefined ? `${own} ${name}` : `${own} ${namespace}/${name}`;
}

/** `undefined` for cluster-scoped kinds. */
export function namespaceOf(object: JsonObject): string | undefined {
  if (clusterScoped.has(textAt(object, 'kind') ?? '')) return undefined;
  return textAt(object, 'metadata', 'namespace') ?? 'default';
}
