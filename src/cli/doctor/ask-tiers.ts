import type { Known } from '../../doctor/facts.ts';
import { readTierFacts, type ApiEndpoint, type TierFacts } from '../../doctor/tiers/facts.ts';
import { isJsonObject, listAt, type JsonObject } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import type { ApiReader } from '../../watch/api-client.ts';
import { listAll } from '../../watch/list.ts';
import { findServedPath } from '../../watch/served-path.ts';
import { apiSilenceMs } from '../api-silence.ts';

const limits = { signal: new AbortController().signal, silenceMs: apiSilenceMs };

/** The path of ClusterNetworkPolicies; `undefined` if the API server does not have them. */
export function servedPathOf(client: ApiReader): Promise<string | undefined> {
  return findServedPath(client, 'policy.networking.k8s.io', 'clusternetworkpolicies', limits);
}

export async function listPolicies(client: ApiReader, served: string | undefined): Promise<readonly JsonObject[]> {
  return served === undefined ? [] : listObjects(client, served, 'ClusterNetworkPolicy');
}

/**
 * Collects what the checks of ClusterNetworkPolicies need.
 * @param pods all pods, of `trimPod`; no value if the doctor looks at one node only
 */
export async function askTiers(
  client: ApiReader,
  policies: Known<readonly JsonObject[]>,
  pods: Known<readonly JsonObject[] | undefined>,
): Promise<Known<TierFacts | undefined>> {
  if ('unknown' in policies) return policies;
  if (policies.value.length === 0) return { value: undefined };
  if ('unknown' in pods) return pods;
  if (!pods.value) return { value: undefined };
  const others = await known(
    Promise.all([
      listObjects(client, '/api/v1/namespaces', 'Namespace'),
      listObjects(client, '/api/v1/nodes', 'Node'),
      listObjects(client, '/apis/networking.k8s.io/v1/networkpolicies', 'NetworkPolicy'),
    ]),
  );
  if ('unknown' in others) return others;
  const objects = [...others.value.flat(), ...pods.value, ...policies.value];
  return { value: readTierFacts(objects, await known(listApiEndpoints(client))) };
}

async function listObjects(client: ApiReader, path: string, kind: string): Promise<JsonObject[]> {
  let items: JsonObject[] = [];
  await listAll(client, path, limits, (page, restart) => {
    if (restart) items = [];
    // The API server omits the kind in lists.
    for (const item of page) if (isJsonObject(item)) items.push({ ...item, kind });
  });
  return items;
}

/** The endpoints of the Service `default/kubernetes`: pods reach the API server there, after the Service proxy. */
async function listApiEndpoints(client: ApiReader): Promise<ApiEndpoint[]> {
  const labelSelector = 'kubernetes.io/service-name=kubernetes';
  const reader: ApiReader = {
    get: (at, options) => client.get(at, { ...options, query: { ...options.query, labelSelector } }),
  };
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
  const slices = await listObjects(reader, path, 'EndpointSlice');
  return slices.flatMap((slice) => {
    const ports = listAt(slice, 'ports').flatMap((each) => (isJsonObject(each) ? [each['port']] : []));
    const addresses = listAt(slice, 'endpoints').flatMap((each) => listAt(each, 'addresses'));
    return addresses.flatMap((address) =>
      ports.flatMap((port) => (typeof address === 'string' && typeof port === 'number' ? [{ address, port }] : [])),
    );
  });
}

export async function known<Value>(look: Promise<Value>): Promise<Known<Value>> {
  return look.then(
    (value) => ({ value }),
    (error: unknown) => ({ unknown: messageOf(error) }),
  );
}
