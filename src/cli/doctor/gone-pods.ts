import type { GonePod } from '../../doctor/facts.ts';
import type { SeenFlow } from '../../impact/seen-flow.ts';
import { listAt, textAt } from '../../lib/json.ts';
import { containsAddress, familyOf, parseAddress, parseCidr } from '../../model/address.ts';
import type { NodeState } from '../../model/node-state.ts';

/** Sends a request to the API server and returns the JSON. */
type Ask = (path: string, query: Readonly<Record<string, string>>) => Promise<unknown>;

/** Limit of addresses, because each costs one request. */
const mostAsked = 50;

/**
 * Finds addresses to which conntrack maps connections to a Service, but which no pod has any more. For the ranges of this node the
 * agent knows the pods. For other nodes it asks the API server, whose field selector matches the first address of a pod only: the
 * other family is not checked.
 */
export async function findGonePods(
  flows: readonly SeenFlow[],
  { gatedRanges, pods, node }: NodeState,
  ask: Ask,
): Promise<GonePod[]> {
  const mapped = Map.groupBy(
    flows.filter(({ via, open }) => via !== undefined && open > 0),
    ({ destination }) => destination,
  );
  const own = new Set(pods.flatMap(({ addresses }) => addresses));
  const isOfHere = inside(gatedRanges);
  const others = [...mapped.keys()].filter((address) => !own.has(address) && !isOfHere(address));
  const elsewhere = others.length > 0 ? await findElsewhere(others, { pods, node }, ask) : [];
  const here = [...mapped.keys()].filter((address) => !own.has(address) && isOfHere(address));
  return [...here, ...elsewhere].map((address) => {
    const all = mapped.get(address)!;
    const connections = all.reduce((sum, { open }) => sum + open, 0);
    return { address, services: [...new Set(all.map(({ via }) => via!))], connections };
  });
}

async function findElsewhere(
  addresses: readonly string[],
  { pods, node }: Pick<NodeState, 'pods' | 'node'>,
  ask: Ask,
): Promise<string[]> {
  const first = pods.map((pod) => pod.addresses[0]).find((address) => address !== undefined);
  if (first === undefined) return [];
  const nodes = listAt(await ask('/api/v1/nodes', { limit: '500' }), 'items').filter(
    (each) => textAt(each, 'metadata', 'name') !== node,
  );
  const isOfPods = inside(nodes.flatMap((each) => listAt(each, 'spec', 'podCIDRs')).filter(isText));
  const asked = addresses.filter((each) => familyOf(each) === familyOf(first) && isOfPods(each)).slice(0, mostAsked);
  const gone: string[] = [];
  for (const address of asked) {
    const found = await ask('/api/v1/pods', { fieldSelector: `status.podIP=${address}`, limit: '10' });
    const phases = listAt(found, 'items').map((pod) => textAt(pod, 'status', 'phase'));
    if (phases.every((phase) => phase === 'Succeeded' || phase === 'Failed')) gone.push(address);
  }
  return gone;
}

function inside(cidrs: readonly string[]): (address: string) => boolean {
  const ranges = cidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
  return (text) => {
    const address = parseAddress(text);
    return address !== undefined && ranges.some((range) => containsAddress(range, address));
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
