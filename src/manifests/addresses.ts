import { listAt, objectAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import type { ApiObject } from './load.ts';
import { namespaceOf } from './workloads.ts';

/** Two nodes, so that traffic on one node and between nodes occurs. Names and ranges are those of the lab. */
const assumedNodes = ['n1', 'n2'];

type AddressForm = Readonly<Record<'ipv4' | 'ipv6', (n: number) => string>>;

/** Pods per /24 range. The first address of a range is its gateway; a node with more pods gets further ranges. */
const podsOfRange = 253;
function podAddress(node: number, nodes: number): AddressForm {
  const rangeOf = (n: number): number => node + nodes * Math.floor(n / podsOfRange);
  const hostOf = (n: number): number => 2 + (n % podsOfRange);
  return {
    ipv4: (n) => `10.${244 + (rangeOf(n) >> 8)}.${rangeOf(n) & 255}.${hostOf(n)}`,
    ipv6: (n) => `fd00:10:244:${rangeOf(n).toString(16)}::${hostOf(n).toString(16)}`,
  };
}
const nodeAddress: AddressForm = {
  ipv4: (n) => `172.30.${n >> 8}.${n & 255}`,
  ipv6: (n) => `fd00:172:30::${n.toString(16)}`,
};
/** The address .1 is the gateway. */
const firstNode = 2;

/** Completed objects, and the assumed values: `namespace/name` of a pod -> `n1, 10.244.1.2, fd00:10:244:1::2`. */
export interface Assigned {
  readonly objects: ApiObject[];
  readonly assumed: ReadonlyMap<string, string>;
}

/**
 * Assigns what a cluster would: a node to pods without one (round robin), a Node object to nodes that pods name, and addresses
 * of both families to pods and nodes without any. Deterministic.
 */
export function assignAddresses(objects: readonly ApiObject[]): Assigned {
  const assumed = new Map<string, string>();
  const assume = (pod: ApiObject, what: readonly string[]): void => {
    const key = `${namespaceOf(pod)}/${textAt(pod, 'metadata', 'name')}`;
    assumed.set(key, [...(assumed.has(key) ? [assumed.get(key)!] : []), ...what].join(', '));
  };
  const placed = addNodes(objects, assume);
  const taken = new Set(placed.flatMap(addressesOf));
  const nextNode = addressSource(nodeAddress, firstNode, taken);
  const names = placed.filter(isNode).map((node) => textAt(node, 'metadata', 'name') ?? '');
  const nextPod = new Map(
    names.map((name, index) => [name, addressSource(podAddress(index + 1, names.length), 0, taken)]),
  );
  const nodes = new Map<string, readonly string[]>();
  const withNodes = placed.map((object) => {
    if (!isNode(object)) return object;
    const known = addressesOf(object);
    const addresses = known.length > 0 ? known : nextNode();
    nodes.set(textAt(object, 'metadata', 'name') ?? '', addresses);
    if (known.length > 0) return object;
    return withStatus(object, { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) });
  });
  const addressed = withNodes.map((pod) => {
    if (!isPod(pod) || listAt(pod, 'status', 'podIPs').length > 0) return pod;
    const node = textAt(pod, 'spec', 'nodeName')!;
    const only = textAt(pod, 'status', 'podIP');
    const host = objectAt(pod, 'spec')['hostNetwork'] === true;
    const addresses = only ? [only] : host ? (nodes.get(node) ?? []) : nextPod.get(node)!();
    if (!only) assume(pod, addresses);
    return withStatus(pod, { podIPs: addresses.map((ip) => ({ ip })) });
  });
  return { objects: addressed, assumed };
}

function addNodes(
  objects: readonly ApiObject[],
  assume: (pod: ApiObject, what: readonly string[]) => void,
): ApiObject[] {
  const given = objects.filter(isNode).map((node) => textAt(node, 'metadata', 'name') ?? '');
  const choice = given.length > 0 ? given : assumedNodes;
  let turn = 0;
  const placed = objects.map((object) => {
    if (!isPod(object) || textAt(object, 'spec', 'nodeName')) return object;
    const nodeName = choice[turn++ % choice.length]!;
    assume(object, [nodeName]);
    return { ...object, spec: { ...objectAt(object, 'spec'), nodeName } };
  });
  const named = placed.filter(isPod).map((pod) => textAt(pod, 'spec', 'nodeName')!);
  const missing = [...new Set(turn > 0 ? [...choice, ...named] : named)].filter((name) => !given.includes(name));
  return [...missing.map((name) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })), ...placed];
}

/** Returns a function that yields the next free addresses, one of each family. */
function addressSource(form: AddressForm, first: number, taken: ReadonlySet<string>): () => string[] {
  let number = first;
  return () => {
    let addresses: string[];
    do addresses = [form.ipv4(number), form.ipv6(number++)];
    while (addresses.some((address) => taken.has(address)));
    return addresses;
  };
}

function addressesOf(object: ApiObject): string[] {
  const texts = [
    // Skips addresses of type Hostname, InternalDNS and ExternalDNS.
    ...listAt(object, 'status', 'addresses')
      .filter((each) => textAt(each, 'type')?.endsWith('IP'))
      .map((each) => textAt(each, 'address')),
    ...listAt(object, 'status', 'podIPs').map((each) => textAt(each, 'ip')),
    ...listAt(object, 'spec', 'addresses').map((each) => (typeof each === 'string' ? each : undefined)),
  ];
  return texts.filter((text) => text !== undefined);
}

function withStatus(object: ApiObject, status: JsonObject): ApiObject {
  return { ...object, status: { ...objectAt(object, 'status'), ...status } };
}

function isPod(object: ApiObject): boolean {
  return object['kind'] === 'Pod';
}

function isNode(object: ApiObject): boolean {
  return object['kind'] === 'Node';
}
