import type { ApiFacts, Known } from '../../doctor/facts.ts';
import { isJsonObject, listAt, objectAt, textAt } from '../../lib/json.ts';
import { canonicalAddress } from '../../model/address.ts';
import { createApiClient, loadKubeConfig, readJson } from '../../watch/api-client.ts';
import { messageOf } from '../../lib/message-of.ts';

export interface ApiAnswer {
  readonly api: Known<ApiFacts>;
  /** Addresses of some pods on other nodes. */
  readonly remotePods: readonly string[];
}

interface Clocks {
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly steady: () => number;
}

const silenceMs = 8000;
const systemClocks: Clocks = { wall: () => Date.now(), steady: () => performance.now() };

/** Sends one request with the rights of the agent: tests the API server, reads its clock, and gets addresses of pods on other nodes. */
export async function askApi(
  kubeconfig: string | undefined,
  node: string | undefined,
  signal: AbortSignal,
  { wall, steady }: Clocks = systemClocks,
): Promise<ApiAnswer> {
  let date: string | undefined;
  try {
    const client = createApiClient(await loadKubeConfig(kubeconfig));
    const elsewhere = node === undefined ? '' : `,spec.nodeName!=${node}`;
    const query = { limit: '50', fieldSelector: `status.phase=Running${elsewhere}` };
    const [began, asked] = [steady(), wall()];
    const onHeaders = (headers: { date?: string | undefined }): void => void (date = headers.date);
    const answer = await client.get('/api/v1/pods', { query, signal, silenceMs, onHeaders });
    const roundTripMs = Math.round(steady() - began);
    const items = listAt(await readJson(answer), 'items');
    // The Date header is truncated to the second, so this adds half a second.
    const theirs = Date.parse(date ?? '') + 500;
    const aheadMs = Number.isNaN(theirs) ? undefined : Math.round(asked + roundTripMs / 2 - theirs);
    return { api: { value: { roundTripMs, aheadMs } }, remotePods: items.flatMap((item) => addressesOf(item, node)) };
  } catch (error) {
    signal.throwIfAborted();
    return { api: { unknown: messageOf(error) }, remotePods: [] };
  }
}

/** Returns the JSON of a list. Rejects with an ApiError. */
export async function askObjects(
  kubeconfig: string | undefined,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<unknown> {
  const client = createApiClient(await loadKubeConfig(kubeconfig));
  return readJson(await client.get(path, { query, signal, silenceMs }));
}

function addressesOf(pod: unknown, node: string | undefined): string[] {
  const { hostNetwork, nodeName } = objectAt(pod, 'spec');
  if (hostNetwork === true || nodeName === undefined || nodeName === node) return [];
  const ips = listAt(pod, 'status', 'podIPs').flatMap((each) => (isJsonObject(each) ? [textAt(each, 'ip')] : []));
  return ips.flatMap((ip) => canonicalAddress(ip ?? '') ?? []);
}
