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
import { createApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { listAll } from '../../watch/list.ts';
import { ConfigError } from '../../config/config-error.ts';
import { loadContext } from '../kube-context.ts';
import { messageOf } from '../../lib/message-of.ts';
import { apiSilenceMs } from '../api-silence.ts';

/** What a question is asked of. */
export interface ClusterSource {
  readonly objects: readonly JsonObject[];
  readonly cluster: Cluster;
  /** Node and addresses of pods that the manifests give none. */
  readonly assumed: ReadonlyMap<string, string>;
  /** What was assumed or passed over, for people. */
  readonly notes: readonly string[];
}

interface Collection {
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
const serviceCollection: Collection = { path: '/api/v1/services', apiVersion: 'v1', kind: 'Service' };

/** Without a cluster, what `explain` can do. */
export const fromManifests = 'read manifests with -f';

/** Reads manifests as a cluster would take them. A document that cannot be used refuses them all: it may hold a policy. */
export async function readManifestCluster(paths: readonly string[]): Promise<ClusterSource> {
  const defaulted = applyDefaults(expandWorkloads(await readManifests(paths)));
  const { objects, assumed } = assignAddresses(defaulted.objects);
  return toSource(objects, assumed, [...defaulted.notes, ...foreignPolicies(objects)]);
}

/** The objects as written. Rejects with a ManifestError that names each document that cannot be used. */
export async function readManifests(paths: readonly string[]): Promise<readonly JsonObject[]> {
  const { objects, problems } = await loadManifests(paths);
  if (problems.length > 0) throw new ManifestError(problems.map(formatProblem).join('\n'));
  return objects;
}

/** Lists what policies speak of, once, as the API server has it. */
export async function readLiveCluster(
  kubeconfig: string | undefined,
  context: string | undefined,
): Promise<ClusterSource> {
  const { objects } = await readLiveObjects(kubeconfig, context, fromManifests);
  return toSource(objects, new Map(), []);
}

/**
 * The same as raw objects, and how the API server was reached.
 * @param instead what the command can do without a cluster
 */
export async function readLiveObjects(
  kubeconfig: string | undefined,
  context: string | undefined,
  instead?: string,
): Promise<{ readonly config: KubeConfig; readonly objects: readonly JsonObject[] }> {
  const config = await openContext(kubeconfig, context, instead);
  return { config, objects: await reaching(listObjects(config, collections), instead) };
}

/** The Services; none, and why, for who has no right to list them. */
export async function readServices(
  config: KubeConfig,
): Promise<{ readonly services: readonly JsonObject[]; readonly notes: readonly string[] }> {
  try {
    return { services: await listObjects(config, [serviceCollection]), notes: [] };
  } catch (error) {
    const why = messageOf(error);
    return {
      services: [],
      notes: [`Services are not known (${why}): of their addresses and node ports this says nothing`],
    };
  }
}

/** The kubeconfig, at the context that is asked for. Throws a ConfigError that says what else to do. */
export function openContext(
  kubeconfig: string | undefined,
  context: string | undefined,
  instead?: string,
): Promise<KubeConfig> {
  return reaching(loadContext(kubeconfig, context), instead);
}

/** As `readLiveCluster`; with `services`, these too. */
export async function readClusterOf(config: KubeConfig, { services = false } = {}): Promise<ClusterSource> {
  const wanted = services ? [...collections, serviceCollection] : collections;
  return toSource(await reaching(listObjects(config, wanted)), new Map(), []);
}

async function listObjects(config: KubeConfig, wanted: readonly Collection[]): Promise<JsonObject[]> {
  const client = createApiClient(config);
  const { signal } = new AbortController();
  const objects: JsonObject[] = [];
  for (const { path, apiVersion, kind } of wanted) {
    let items: JsonObject[] = [];
    await listAll(client, path, { signal, silenceMs: apiSilenceMs }, (page, restart) => {
      if (restart) items = [];
      for (const item of page) if (isJsonObject(item)) items.push({ ...item, apiVersion, kind });
    });
    objects.push(...items);
  }
  return objects;
}

/**
 * Makes an error of what could not be had of the cluster one for people.
 * @param instead what the command can do without a cluster
 */
export async function reaching<Value>(result: Promise<Value>, instead?: string): Promise<Value> {
  try {
    return await result;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const why = messageOf(cause);
    // Another cluster is no help to who lacks a right in this one, and the refusal names it.
    const isRefused = cause instanceof ApiError && cause.status === 403;
    const ways = [isRefused ? undefined : 'name one with --kubeconfig', instead].filter((way) => way !== undefined);
    throw new ConfigError(`cannot read the cluster: ${[why, ways.join(', or ')].filter(Boolean).join('; ')}`, {
      cause,
    });
  }
}

/** @param assumed node and addresses that were made up */
export function toSource(
  objects: readonly JsonObject[],
  assumed: ReadonlyMap<string, string>,
  notes: readonly string[],
): ClusterSource {
  const cluster = prepareCluster(objects);
  const issues = cluster.issues.map(({ object, path, message, effect }) => {
    return `${object}: ${path}: ${message}; ${effect === 'ignored' ? 'ignored' : 'nothing is allowed by it'}`;
  });
  return { objects, cluster, assumed, notes: [...notes, ...issues] };
}

/** Policies of other makers say nothing here, and nobody should think they did. */
export function foreignPolicies(objects: readonly JsonObject[]): string[] {
  return objects
    .filter((object) => textAt(object, 'kind')?.endsWith('NetworkPolicy'))
    .filter((object) => textAt(object, 'apiVersion') !== 'networking.k8s.io/v1')
    .map(
      (object) =>
        `${textAt(object, 'apiVersion')} ${textAt(object, 'kind')} ${textAt(object, 'metadata', 'name')} is not judged`,
    );
}
