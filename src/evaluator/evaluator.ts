import { families, parseAddress } from '../model/address.ts';
import type { Address, Family } from '../model/address.ts';
import { textOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { Decision, End, Endpoint, Flow } from './decision.ts';
import { judgeEnd } from './end.ts';
import { addressOf } from './party.ts';
import type { Party } from './party.ts';

/**
 * Is this flow allowed, and why? Both checks must pass: egress of the source and ingress of the destination (S0.1).
 * A flow is denied if an endpoint does not exist or has no address of the flow's family.
 */
export function evaluate(cluster: Cluster, flow: Flow): Decision {
  const source = resolveEndpoint(cluster, flow.source, flow.family);
  const destination = resolveEndpoint(cluster, flow.destination, flow.family);
  if (typeof source === 'string' || typeof destination === 'string') {
    return decide(unreachable(source), unreachable(destination));
  }
  const resolved = { source, destination, flow };
  return decide(judgeEnd(cluster, 'egress', resolved), judgeEnd(cluster, 'ingress', resolved));
}

/** The families in which an endpoint has an address; none if it does not exist. */
export function familiesOf(cluster: Cluster, endpoint: Endpoint): Family[] {
  return families.filter((family) => typeof resolveEndpoint(cluster, endpoint, family) !== 'string');
}

/** The pod, node or address at an end of the flow; a string says why the end cannot be resolved. */
export function resolveEndpoint(cluster: Cluster, endpoint: Endpoint, family: Family): Party | string {
  if ('pod' in endpoint) {
    const pod = cluster.pods.get(endpoint.pod);
    if (!pod) return `pod ${endpoint.pod} does not exist`;
    const node = pod.nodeName === undefined ? undefined : cluster.nodes.get(pod.nodeName);
    const address = addressOf(pod, family) ?? (pod.hostNetwork && node ? addressOf(node, family) : undefined);
    if (!address) return `pod ${pod.key} has no ${family} address`;
    if (!pod.hostNetwork) return partyAt(cluster, address);
    return { name: pod.key, address, pod: undefined, claimants: [], node: pod.nodeName, isUnknown: false };
  }
  const given = 'address' in endpoint && endpoint.address !== undefined ? parseAddress(endpoint.address) : undefined;
  if ('node' in endpoint) {
    const node = cluster.nodes.get(endpoint.node);
    if (!node) return `node ${endpoint.node} does not exist`;
    const address = endpoint.address === undefined ? addressOf(node, family) : given;
    if (address?.family !== family) return `node ${node.name} has no ${family} address`;
    return { name: `node ${node.name}`, address, pod: undefined, claimants: [], node: node.name, isUnknown: false };
  }
  if (!given) return `${endpoint.address} is not an address`;
  return given.family === family ? partyAt(cluster, given) : `${endpoint.address} is not an ${family} address`;
}

/** Resolves an address to its owner (S1.9, S1.10, S1.12). */
function partyAt(cluster: Cluster, address: Address): Party {
  const text = textOf(address);
  const claimants = cluster.claimants.get(text) ?? [];
  const [pod] = claimants;
  if (pod && claimants.length === 1) {
    return { name: pod.key, address, pod, claimants: [], node: undefined, isUnknown: false };
  }
  const node = cluster.nodeAddresses.get(text);
  const isUnknown = cluster.shows === 'part' && claimants.length === 0 && node === undefined;
  return { name: node === undefined ? text : `node ${node}`, address, pod: undefined, claimants, node, isUnknown };
}

function decide(egress: End, ingress: End): Decision {
  const allowed = egress.verdict === 'allowed' && ingress.verdict === 'allowed';
  return { verdict: allowed ? 'allowed' : 'denied', egress, ingress };
}

function unreachable(party: Party | string): End {
  const missing = typeof party === 'string';
  const reason = missing ? party : 'the other end does not exist';
  const verdict = missing ? 'denied' : 'allowed';
  return { verdict, judged: false, reason, isolatedBy: [], allowedBy: [], nearMisses: [] };
}
