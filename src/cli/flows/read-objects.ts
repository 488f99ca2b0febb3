import { ConfigError } from '../../config/config-error.ts';
import { textAt, type JsonObject } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { printable } from '../../lib/printable.ts';
import type { Sight } from '../../map/visible-flows.ts';
import { readJson, type ApiReader } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { apiSilenceMs } from '../api-silence.ts';
import { agentSelector } from '../connect/find-agents.ts';
import { findClusterPolicies, listCollection, type Collection } from '../explain/cluster-source.ts';

/** What a user may read of a cluster. */
export interface ReadObjects {
  readonly objects: readonly JsonObject[];
  readonly shows?: 'part';
  readonly sight: Sight;
  readonly notes: readonly string[];
}

type Kind = 'Namespace' | 'Node' | 'Pod' | 'NetworkPolicy';

/** @param namespace missing: of all */
function collectionOf(kind: Kind, namespace?: string): Collection {
  const within = namespace === undefined ? '' : `namespaces/${namespace}/`;
  const paths: Readonly<Record<Kind, string>> = {
    Namespace: '/api/v1/namespaces',
    Node: '/api/v1/nodes',
    Pod: `/api/v1/${within}pods`,
    NetworkPolicy: `/apis/networking.k8s.io/v1/${within}networkpolicies`,
  };
  return { kind, path: paths[kind], apiVersion: kind === 'NetworkPolicy' ? 'networking.k8s.io/v1' : 'v1' };
}

/**
 * Lists what policies depend on, with the rights of the user. Pods, NetworkPolicies and labels of namespaces are needed; without one of them the map would be wrong.
 * Rejects with a ConfigError that says which right is missing, or with an ApiError.
 * @param namespaces read only these; missing: all
 */
export async function readObjects(
  client: ApiReader,
  namespaces: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<ReadObjects> {
  const list = (kind: Kind, namespace?: string): Promise<JsonObject[]> =>
    listCollection(client, collectionOf(kind, namespace), signal);
  const needed = (kind: Kind, namespace?: string): Promise<JsonObject[]> =>
    list(kind, namespace).catch((error: unknown) => explainRefusal(error, kind, namespace));
  const homes = namespaces
    ? await readNamespaces(client, namespaces, signal)
    : { found: await needed('Namespace'), notes: [] };
  const objects = [...homes.found];
  for (const namespace of namespaces ?? [undefined])
    objects.push(...(await needed('Pod', namespace)), ...(await needed('NetworkPolicy', namespace)));
  const nodes = await unlessRefused(list('Node'));
  const policies = await unlessRefused(
    findClusterPolicies(client, signal).then((served) => (served ? listCollection(client, served, signal) : [])),
  );
  const notes = [
    ...homes.notes,
    ...('refused' in nodes ? [`nodes are missing, and with them their addresses: ${nodes.refused}`] : []),
    ...('refused' in policies ? [`verdicts leave out ClusterNetworkPolicies: ${policies.refused}`] : []),
  ];
  return {
    objects: [...objects, ...('items' in nodes ? nodes.items : []), ...('items' in policies ? policies.items : [])],
    ...((namespaces || 'refused' in nodes) && { shows: 'part' }),
    sight: { ...(namespaces && { namespaces: new Set(namespaces) }), nodes: 'items' in nodes },
    notes: namespaces
      ? [`only ${nameSpaces(namespaces)} ${namespaces.length === 1 ? 'is' : 'are'} shown`, ...notes]
      : notes,
  };
}

/** The pods with the labels of agents. Rejects with a ConfigError if the user may not list those of all namespaces, and names none. */
export async function listAgentPods(
  client: ApiReader,
  agentNamespace: string | undefined,
  signal: AbortSignal,
): Promise<JsonObject[]> {
  const labelled: ApiReader = {
    get: (path, options) => client.get(path, { ...options, query: { ...options.query, labelSelector: agentSelector } }),
  };
  return listCollection(labelled, collectionOf('Pod', agentNamespace), signal).catch((error: unknown) => {
    if (!isRefused(error) || agentNamespace !== undefined) throw error;
    const message = 'you may not list the pods of all namespaces: name that of the agents with --agent-namespace';
    throw new ConfigError(message, { cause: error });
  });
}

/** The wanted namespaces with their labels: from the list, or one by one where the user may not list them. */
async function readNamespaces(
  client: ApiReader,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly found: readonly JsonObject[]; readonly notes: readonly string[] }> {
  const all = await unlessRefused(listCollection(client, collectionOf('Namespace'), signal));
  if ('items' in all) {
    const missing = wanted.find((name) => !all.items.some((each) => textAt(each, 'metadata', 'name') === name));
    if (missing !== undefined)
      throw new ConfigError(`--namespace: namespace ${JSON.stringify(missing)} does not exist`);
    const found = all.items.filter((each) => wanted.includes(textAt(each, 'metadata', 'name') ?? ''));
    return { found, notes: [] };
  }
  const found: JsonObject[] = [];
  const notes: string[] = [];
  for (const name of wanted) {
    const one = await unlessRefused(getNamespace(client, name, signal).then((object) => [object]));
    if ('items' in one) found.push(...one.items);
    else notes.push(`rules that select namespace ${name} by its labels match nothing of it: ${one.refused}`);
  }
  return { found, notes };
}

async function getNamespace(client: ApiReader, name: string, signal: AbortSignal): Promise<JsonObject> {
  const options = { query: {}, signal, silenceMs: apiSilenceMs };
  return (await readJson(await client.get(`/api/v1/namespaces/${name}`, options))) as JsonObject;
}

async function unlessRefused(
  list: Promise<JsonObject[]>,
): Promise<{ readonly items: JsonObject[] } | { readonly refused: string }> {
  try {
    return { items: await list };
  } catch (error) {
    if (isRefused(error)) return { refused: printable(messageOf(error)) };
    throw error;
  }
}

function explainRefusal(error: unknown, kind: Kind, namespace: string | undefined): never {
  if (!isRefused(error)) throw error;
  const what = kind === 'NetworkPolicy' ? 'NetworkPolicies' : `${kind}s`;
  const where = namespace === undefined ? '' : ` of namespace ${namespace}`;
  const advice = namespace === undefined ? '; name the namespaces that you may read with -n NAMESPACE' : '';
  throw new ConfigError(`cannot list ${what}${where}: ${messageOf(error)}${advice}`, { cause: error });
}

/** Whether the user may not list something. Also for a ConfigError that says so. */
export function isRefused(error: unknown): boolean {
  if (error instanceof ConfigError) return isRefused(error.cause);
  return error instanceof ApiError && error.status === 403;
}

function nameSpaces(names: readonly string[]): string {
  return `${names.length === 1 ? 'namespace' : 'namespaces'} ${names.join(', ')}`;
}
