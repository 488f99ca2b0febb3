import type { KubeConfig } from '@kubernetes/client-node';
import { prepareCluster } from '../../evaluator/cluster.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import { isJsonObject, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { assignAddresses } from '../../manifests/addresses.ts';
import { applyDefaults } from '../../manifests/defaults.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem, ManifestError } from '../../manifests/problem.ts';
import { expandWorkloads } from '../../manifests/workloads.ts';
import { createApiClient, type ApiReader } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { listAll } from '../../watch/list.ts';
import { findServedPath } from '../../watch/served-path.ts';
import { ConfigError } from '../../config/config-error.ts';
import { loadContext } from '../kube-context.ts';
import { messageOf } from '../../lib/message-of.ts';
import { apiSilenceMs } from '../api-silence.ts';
import { effectText } from '../../model/effect-text.ts';

/** The cluster that a command evaluates. */
export interface ClusterSource {
  readonly objects: readonly JsonObject[];
  readonly cluster: Cluster;
  /** Assumed node and addresses, by pod. */
  readonly assumed: ReadonlyMap<string, string>;
  /** Assumptions and skipped parts, as sentences. */
  readonly notes: readonly string[];
}

/** Objects of one kind, and where the API server has them. */
export interface Collection {
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
}

const collections: readonly Collection[] = [
  { path: '/api/v1/namespaces', apiVersion: 'v1', kind: 'Namespace' },
  { path: '/api/v1/nodes', apiVersion: 'v1', kind: 'Node' },
  { path: '/api/v1/pods', apiVersion: 'v1', kind: 'Pod' },
  { path: '/apis/networking.k8s.io/v1/networkpolicies', apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
];
/** A cluster need not serve it, and in any of its versions. */
const clusterPolicies = {
  group: 'policy.networking.k8s.io',
  resource: 'clusternetworkpolicies',
  kind: 'ClusterNetworkPolicy',
} as const;
const serviceCollection: Collection = { path: '/api/v1/services', apiVersion: 'v1', kind: 'Service' };

/** Hint of `explain` if the cluster cannot be read. */
export const fromManifests = 'read manifests with -f';

/** Reads manifests. Rejects if one document is invalid, because it may be a policy. */
export async function readManifestCluster(paths: readonly string[]): Promise<ClusterSource> {
  const defaulted = applyDefaults(expandWorkloads(await readManifests(paths)));
  const { objects, assumed } = assignAddresses(defaulted.objects);
  return toSource(objects, assumed, [...defaulted.notes, ...foreignPolicies(objects)]);
}

/** Returns the objects unchanged. Rejects with a ManifestError that lists all invalid documents. */
export async function readManifests(paths: readonly string[]): Promise<readonly JsonObject[]> {
  const { objects, problems } = await loadManifests(paths);
  if (problems.length > 0) throw new ManifestError(problems.map(formatProblem).join('\n'));
  return objects;
}

/** Lists all objects that policies depend on from the API server. */
export async function readLiveCluster(
  kubeconfig: string | undefined,
  context: string | undefined,
): Promise<ClusterSource> {
  const { objects } = await readLiveObjects(kubeconfig, context, fromManifests);
  return toSource(objects, new Map(), []);
}

/**
 * Returns the raw objects and the kubeconfig.
 * @param instead Hint in the error message: what the command can do without a cluster.
 */
export async function readLiveObjects(
  kubeconfig: string | undefined,
  context: string | undefined,
  instead?: string,
): Promise<{ readonly config: KubeConfig; readonly objects: readonly JsonObject[] }> {
  const config = await openContext(kubeconfig, context, instead);
  return { config, objects: await reaching(listObjects(config, collections), instead) };
}

/** Lists Services. Without the right to list them, returns none and a note. */
export async function readServices(
  config: KubeConfig,
): Promise<{ readonly services: readonly JsonObject[]; readonly notes: readonly string[] }> {
  try {
    return { services: await listObjects(config, [serviceCollection]), notes: [] };
  } catch (error) {
    const why = messageOf(error);
    return {
      services: [],
      notes: [`cannot list Services (${why}): the answer does not consider their addresses and node ports`],
    };
  }
}

/** Loads the kubeconfig with the given context. Rejects with a ConfigError that says what to do. */
export function openContext(
  kubeconfig: string | undefined,
  context: string | undefined,
  instead?: string,
): Promise<KubeConfig> {
  return reaching(loadContext(kubeconfig, context), instead);
}

/** As `readLiveCluster`, optionally with Services. */
export async function readClusterOf(config: KubeConfig, { services = false } = {}): Promise<ClusterSource> {
  const wanted = services ? [...collections, serviceCollection] : collections;
  return toSource(await reaching(listObjects(config, wanted)), new Map(), []);
}

async function listObjects(config: KubeConfig, wanted: readonly Collection[]): Promise<JsonObject[]> {
  const client = createApiClient(config);
  const { signal } = new AbortController();
  const objects: JsonObject[] = [];
  for (const each of wanted) objects.push(...(await listCollection(client, each, signal)));
  if (wanted.every(({ kind }) => kind !== 'NetworkPolicy')) return objects;
  const served = await findClusterPolicies(client, signal);
  return served ? [...objects, ...(await listCollection(client, served, signal))] : objects;
}

/** Lists the objects of a kind, with the kind and the version that the API server leaves out in lists. Rejects with an ApiError. */
export async function listCollection(
  client: ApiReader,
  { path, apiVersion, kind }: Collection,
  signal: AbortSignal,
): Promise<JsonObject[]> {
  let items: JsonObject[] = [];
  await listAll(client, path, { signal, silenceMs: apiSilenceMs }, (page, restart) => {
    if (restart) items = [];
    for (const item of page) if (isJsonObject(item)) items.push({ ...item, apiVersion, kind });
  });
  return items;
}

/** Where the API server has ClusterNetworkPolicies, if it has them. */
export async function findClusterPolicies(client: ApiReader, signal: AbortSignal): Promise<Collection | undefined> {
  const { group, resource, kind } = clusterPolicies;
  const path = await findServedPath(client, group, resource, { signal, silenceMs: apiSilenceMs });
  return path === undefined ? undefined : { path, apiVersion: path.split('/').slice(2, -1).join('/'), kind };
}

/**
 * Turns an error of a request into a ConfigError that says what to do.
 * @param instead Hint: what the command can do without a cluster.
 */
export async function reaching<Value>(result: Promise<Value>, instead?: string): Promise<Value> {
  try {
    return await result;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const why = messageOf(cause);
    // A missing right needs no hint: the API server's message names it.
    const isRefused = cause instanceof ApiError && cause.status === 403;
    const ways = [isRefused ? undefined : 'name one with --kubeconfig', instead].filter((way) => way !== undefined);
    throw new ConfigError(`cannot read the cluster: ${[why, ways.join(', or ')].filter(Boolean).join('; ')}`, {
      cause,
    });
  }
}

/** @param assumed Assumed node and addresses, by pod. */
export function toSource(
  objects: readonly JsonObject[],
  assumed: ReadonlyMap<string, string>,
  notes: readonly string[],
): ClusterSource {
  const cluster = prepareCluster(objects);
  const issues = cluster.issues.map(({ object, path, message, effect }) => {
    return `${object}: ${path}: ${message}; ${effectText(object, effect)}`;
  });
  return { objects, cluster, assumed, notes: [...notes, ...issues] };
}

function isClusterPolicy(object: JsonObject): boolean {
  const version = textAt(object, 'apiVersion') ?? '';
  return object['kind'] === clusterPolicies.kind && version.startsWith(`${clusterPolicies.group}/`);
}

/** Notes for policy kinds of other projects, which have no effect here. */
export function foreignPolicies(objects: readonly JsonObject[]): string[] {
  return objects
    .filter((object) => textAt(object, 'kind')?.endsWith('NetworkPolicy'))
    .filter((object) => textAt(object, 'apiVersion') !== 'networking.k8s.io/v1' && !isClusterPolicy(object))
    .map(
      (object) =>
        `${textAt(object, 'apiVersion')} ${textAt(object, 'kind')} ${textAt(object, 'metadata', 'name')} is ignored: Postern does not support this kind`,
    );
}
