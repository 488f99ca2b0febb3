import { ConfigError } from '../../config/config-error.ts';
import { shownName } from '../../doctor/proof/judge.ts';
import { idOf, type WantedPolicy } from '../../doctor/proof/wanted.ts';
import type { JsonObject } from '../../lib/json.ts';
import { isOfCluster, type PolicyId } from '../../model/policy.ts';

/** The policies that a command is about. */
export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'ids'; readonly ids: readonly PolicyId[] };

/** As kubectl names them: `networkpolicy/web`, `networkpolicy.networking.k8s.io/web`. */
const ofNamespace = /^(networkpolicy|networkpolicies|netpol)(\.networking\.k8s\.io)?$/;
const ofCluster = /^(clusternetworkpolicy|clusternetworkpolicies|cnp)(\.policy\.networking\.k8s\.io)?$/;

/** The API server does not have a policy that the user named. */
export class UnknownPolicyError extends ConfigError {}

/** Reads the names of a command line. Throws a ConfigError. */
export function readNames(names: readonly string[], namespace: string | undefined): PolicyId[] {
  return names.map((name) => readName(name, namespace));
}

function readName(text: string, namespace: string | undefined): PolicyId {
  const [first = '', second, ...rest] = text.split('/');
  const isWhole = first !== '' && second !== '' && rest.length === 0;
  const bare = second === undefined ? first : ofNamespace.test(first) ? second : undefined;
  if (isWhole && second !== undefined && ofCluster.test(first)) return `/${second}`;
  if (isWhole && bare === undefined) return text;
  if (isWhole && namespace !== undefined) return `${namespace}/${bare}`;
  const forms = 'NAMESPACE/NAME, clusternetworkpolicy/NAME, or with -n a NAME';
  throw new ConfigError(`${JSON.stringify(text)}: name a policy as ${forms}`);
}

/** The policies among objects of manifests. */
export function idsOfManifests(objects: readonly JsonObject[], namespace: string | undefined): PolicyId[] {
  return objects.flatMap((object) => {
    const { apiVersion, kind, metadata } = object;
    const isCluster = kind === 'ClusterNetworkPolicy' && String(apiVersion).startsWith('policy.networking.k8s.io/');
    const isOurs = isCluster || (kind === 'NetworkPolicy' && apiVersion === 'networking.k8s.io/v1');
    if (!isOurs) return [];
    // kubectl apply -n gives its namespace to objects that name none.
    const placed = { ...(namespace !== undefined && { namespace }), ...(metadata as JsonObject) };
    return idOf({ ...object, metadata: placed });
  });
}

/** Throws an UnknownPolicyError. */
export function selectPolicies(all: ReadonlyMap<PolicyId, WantedPolicy>, selection: Selection): WantedPolicy[] {
  if (selection.kind === 'all') return [...all.values()];
  if (selection.kind === 'namespace') {
    const prefix = `${selection.namespace}/`;
    const found = [...all.values()].filter(({ id }) => !isOfCluster(id) && id.startsWith(prefix));
    if (found.length > 0) return found;
    throw new UnknownPolicyError(`namespace ${selection.namespace} has no NetworkPolicy`);
  }
  return [...new Set(selection.ids)].map((id) => {
    const found = all.get(id);
    if (!found) throw new UnknownPolicyError(`the API server has no policy ${shownName(id)}`);
    return found;
  });
}
