import type { Family } from '../model/address.ts';
import type { ClassRole } from './class-spec.ts';

/** Names of chains outside of classes. Names of class chains and sets end in a hash (lib/hash.ts), so they never equal one of these. */
export const chainNames = {
  notEstablished: 'not-established',
  errors: { forward: 'icmp-errors', input: 'icmp-errors-to-node' },
  midstream: { any: 'midstream', destination: 'to-midstream' },
  resetTcp: 'reset-tcp',
  originals: 'originals',
  replies: 'replies',
  deny: { ingress: 'deny-ingress', egress: 'deny-egress' },
  /** Unlike the first, these deny a pod's traffic to itself too. */
  denySelf: { ingress: 'deny-self-ingress', egress: 'deny-self-egress' },
  record: { ingress: 'record-ingress', egress: 'record-egress' },
  /** What policies in audit would deny, and its records. */
  wouldDeny: { ingress: 'would-deny-ingress', egress: 'would-deny-egress' },
  recordAudit: { ingress: 'record-audit-ingress', egress: 'record-audit-egress' },
  gate: 'gate',
  nonlocal: { source: 'from-nonlocal', destination: 'to-nonlocal' },
  antiSpoof: 'anti-spoof',
  portSources: 'port-sources',
  linkControl: 'link-control',
  toPort: 'to-port',
  toPortFromNode: 'to-port-from-node',
  wrongDevice: { source: 'from-wrong-device', destination: 'to-wrong-device' },
  unprogrammed: { source: 'from-unprogrammed', destination: 'to-unprogrammed' },
} as const;

export const ctDirections = ['original', 'reply'] as const;
/** Replies are matched with source and destination exchanged (S0.1, S5.14, K1). */
export type CtDirection = (typeof ctDirections)[number];

export const familyDigit = { ipv4: '4', ipv6: '6' } as const;

/** The fields that a class chain reads: the header (original or reply), or for an ICMP error, the connection that it is about (S5.19, K2). */
export const readings = [...ctDirections, 'error'] as const;
export type Reading = (typeof readings)[number];

/** Chains and sets of classes that are not `own` have a prefix. The plan reads it (`plan/set-turns.ts`). */
export function roleName(name: string, role: ClassRole = 'own'): string {
  return role === 'own' ? name : `${role}-${name}`;
}

const suffixes: Readonly<Record<Reading, string>> = { original: '', reply: '-r', error: '-e' };

/** `egress`, `ingress-r`, `egress-e` … */
export function readingName(name: string, reading: Reading): string {
  return `${name}${suffixes[reading]}`;
}

/** `egress4`, `ingress6-r`, `egress4-e` … */
export function isolationMapName(direction: string, family: Family, reading: Reading): string {
  return readingName(`${direction}${familyDigit[family]}`, reading);
}

/** The map by device and address, for pods whose device is known. */
export function byIfMapName(direction: string, family: Family, ctDirection: CtDirection): string {
  return readingName(`${direction}${familyDigit[family]}-by-if`, ctDirection);
}

/** Flow sets, and the chains that use them, exist twice (`flows.ts`). */
export const flowEditions = ['first', 'second'] as const;
export type FlowEdition = (typeof flowEditions)[number];

/** The chain by which packets of this direction pass, with the flow sets of the edition. */
export function flowChainName(ctDirection: CtDirection, edition: FlowEdition): string {
  return inEdition(ctDirection === 'original' ? chainNames.originals : chainNames.replies, edition);
}

/** A flow set, by the direction of its packets. Names of the two directions differ because their ports do. */
export function flowSetName(
  protocol: 'tcp' | 'udp',
  family: Family,
  ctDirection: CtDirection,
  edition: FlowEdition,
): string {
  return inEdition(readingName(`${protocol}-flows${familyDigit[family]}`, ctDirection), edition);
}

/** The protocols whose packets use the second edition: all of them, or none. */
export const flowChoiceSetName = 'flows-second';

function inEdition(name: string, edition: FlowEdition): string {
  return edition === 'first' ? name : `${name}-second`;
}

export const isolatedSetName = { ipv4: 'isolated4', ipv6: 'isolated6' } as const;
export const selfSetName = { ipv4: 'self4', ipv6: 'self6' } as const;

/** `audit-egress4` … leads packets that have passed to the audit of their pod. */
export function auditMapName(direction: string, family: Family): string {
  return `audit-${direction}${familyDigit[family]}`;
}

/** The set of records of denied connections. */
export function deniedSetName(direction: string, family: Family): string {
  return `denied-${direction}${familyDigit[family]}`;
}

/** The set of records of connections that policies in audit would deny. */
export function auditedSetName(direction: string, family: Family): string {
  return `audited-${direction}${familyDigit[family]}`;
}

/** The guard's pairs of device and address. */
export const ifIpsSetName = { ipv4: 'if-ips4', ipv6: 'if-ips6' } as const;
/** Pod addresses with a known device. */
export const guardedIpsSetName = { ipv4: 'guarded-ips4', ipv6: 'guarded-ips6' } as const;
/** In the ip and ip6 tables: pod addresses whose device is the pod's own, not a bridge. */
export const routedIpsSetName = { ipv4: 'routed-ips4', ipv6: 'routed-ips6' } as const;
/** Pod addresses without a known device. */
export const unguardedIpsSetName = { ipv4: 'unguarded-ips4', ipv6: 'unguarded-ips6' } as const;
export const multicastMapName = { ipv4: 'multicast4', ipv6: 'multicast6' } as const;

/** Addresses of other nodes, where they receive tunnel packets; and addresses of this node. */
export const otherNodeIpsSetName = { ipv4: 'other-node-ips4', ipv6: 'other-node-ips6' } as const;
export const nodeIpsSetName = 'node-ips6';
/** In a pod's network namespace: addresses that its own node sends from, and addresses of all nodes. */
export const ownNodeSetName = { ipv4: 'own-node-ips4', ipv6: 'own-node-ips6' } as const;
export const nodesSetName = { ipv4: 'all-node-ips4', ipv6: 'all-node-ips6' } as const;

/**
 * Sets of pod devices in the ip and ip6 tables: `all`, those whose pods are isolated for `egress`, `pods` with the bridges too, and `closed` bridges
 * that pass no link-local packets. `portSetNames` are the same for bridge ports in the bridge table.
 */
export const podIfSetNames = {
  all: 'pod-ifs',
  egress: 'egress-pod-ifs',
  pods: 'pod-and-bridge-ifs',
  closed: 'closed-bridges',
} as const;
export const portSetNames = { all: 'bridge-ports', egress: 'egress-ports', ingress: 'ingress-ports' } as const;

/** Allowed senders: port and address if the port's MAC is unknown; else port, MAC and address. Then port and MAC, and the ports with a known MAC. */
export const portIpsSetName = { ipv4: 'port-ips4', ipv6: 'port-ips6' } as const;
export const portMacIpsSetName = { ipv4: 'port-mac-ips4', ipv6: 'port-mac-ips6' } as const;
export const portMacSetNames = { macs: 'port-macs', ports: 'ports-with-mac' } as const;
/** Pairs of port and the link-local address derived from its MAC. */
export const portLinkLocalSetName = 'port-link-local6';
