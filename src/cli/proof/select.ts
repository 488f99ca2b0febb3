import { ConfigError } from '../../config/config-error.ts';
import { shownName } from '../../doctor/proof/judge.ts';
import { idOf, type WantedPolicy } from '../../doctor/proof/wanted.ts';
import { isSameValue } from '../../impact/same-value.ts';
import { isJsonObject, objectAt, type JsonObject } from '../../lib/json.ts';
import { applyDefaults } from '../../manifests/defaults.ts';
import type { ApiObject } from '../../manifests/load.ts';
import { isOfCluster, modeAnnotation, type PolicyId } from '../../model/policy.ts';

/** The policies that a command is about. */
export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | {
      readonly kind: 'ids';
      readonly ids: readonly PolicyId[];
      /** Policies as manifests give them, with the defaults of the API server. */
      readonly given?: ReadonlyMap<PolicyId, JsonObject>;
    };

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

/**
 * The policies among objects of manifests, with the defaults of the API server. Of two with one name the last counts.
 * @param namespace of objects that name none, as of `kubectl apply`
 */
export function policiesOfManifests(objects: readonly ApiObject[], namespace: string): Map<PolicyId, JsonObject> {
  const placed = objects
    .filter(isPolicy)
    .map((object) => ({ ...object, metadata: { namespace, ...objectAt(object, 'metadata') } }));
  const filled = applyDefaults(placed).objects.filter(isPolicy);
  return new Map(filled.map((object) => [idOf(object), object]));
}

function isPolicy({ apiVersion, kind }: JsonObject): boolean {
  const isCluster = kind === 'ClusterNetworkPolicy' && String(apiVersion).startsWith('policy.networking.k8s.io/');
  return isCluster || (kind === 'NetworkPolicy' && apiVersion === 'networking.k8s.io/v1');
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
    const given = selection.given?.get(id);
    return given === undefined || hasSameMeaning(given, found.object) ? found : { ...found, isOtherVersion: true };
  });
}

/** Whether two versions of a policy say the same: the spec, and the mode (S13.1). */
function hasSameMeaning(a: JsonObject, b: JsonObject): boolean {
  return isSameValue(meaningOf(a), meaningOf(b));
}

function meaningOf(policy: JsonObject): object {
  // Before it come the namespaces that applyDefaults adds.
  const filled = applyDefaults([policy]).objects.at(-1);
  return {
    mode: objectAt(filled, 'metadata', 'annotations')[modeAnnotation],
    spec: withoutEmpty({ podSelector: {}, ...objectAt(filled, 'spec') }),
  };
}

/** The API server leaves empty lists and empty `matchLabels` out. An empty selector stays: it selects everything. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isJsonObject(value)) return value;
  const isEmpty = (key: string, each: unknown): boolean =>
    Array.isArray(each)
      ? each.length === 0
      : key === 'matchLabels' && isJsonObject(each) && Object.keys(each).length === 0;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (isEmpty(key, each) ? [] : [[key, withoutEmpty(each)]])),
  );
}
