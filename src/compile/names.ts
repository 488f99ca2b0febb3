import type { Family } from '../model/address.ts';

/** Chains and sets that are not of a class. Names of classes and of their sets end in a hash (lib/hash.ts), which no name here does. */
export const chainNames = {
  notEstablished: 'not-established',
  errors: { forward: 'icmp-errors', input: 'icmp-errors-to-node' },
  midstream: { any: 'midstream', destination: 'to-midstream' },
  resetTcp: 'reset-tcp',
  replies: 'replies',
  deny: { ingress: 'deny-ingress', egress: 'deny-egress' },
  record: { ingress: 'record-ingress', egress: 'record-egress' },
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
/** Replies are read mirrored: source and destination exchanged (S0.1, S5.14, K1). */
export type CtDirection = (typeof ctDirections)[number];

export const familyDigit = { ipv4: '4', ipv6: '6' } as const;

/** What a class reads of a packet: the header, in either ctDirection, or of an ICMP error the connection that it is about (S5.19, K2). */
export const readings = [...ctDirections, 'error'] as const;
export type Reading = (typeof readings)[number];

const suffixes: Readonly<Record<Reading, string>> = { original: '', reply: '-r', error: '-e' };

/** `egress`, `ingress-r`, `egress-e` … */
export function readingName(name: string, reading: Reading): string {
  return `${name}${suffixes[reading]}`;
}

/** `egress4`, `ingress6-r`, `egress4-e` … */
export function isolationMapName(direction: string, family: Family, reading: Reading): string {
  return readingName(`${direction}${familyDigit[family]}`, reading);
}

/** The same by device and address, for pods whose device is known. */
export function byIfMapName(direction: string, family: Family, ctDirection: CtDirection): string {
  return readingName(`${direction}${familyDigit[family]}-by-if`, ctDirection);
}

export const isolatedSetName = { ipv4: 'isolated4', ipv6: 'isolated6' } as const;
export const selfSetName = { ipv4: 'self4', ipv6: 'self6' } as const;

/** What is denied is noted here. */
export function deniedSetName(direction: string, family: Family): string {
  return `denied-${direction}${familyDigit[family]}`;
}

/** Of the guard: which device has which addresses. */
export const ifIpsSetName = { ipv4: 'if-ips4', ipv6: 'if-ips6' } as const;
/** Addresses that have such a device. */
export const guardedIpsSetName = { ipv4: 'guarded-ips4', ipv6: 'guarded-ips6' } as const;
/** Those of them whose device is the pod's own, in the tables that route. */
export const routedIpsSetName = { ipv4: 'routed-ips4', ipv6: 'routed-ips6' } as const;
/** Addresses of pods that have none that is known. */
export const unguardedIpsSetName = { ipv4: 'unguarded-ips4', ipv6: 'unguarded-ips6' } as const;
export const multicastMapName = { ipv4: 'multicast4', ipv6: 'multicast6' } as const;

/** Addresses of other nodes, which take tunnel packets there, and of this node. */
export const otherNodeIpsSetName = { ipv4: 'other-node-ips4', ipv6: 'other-node-ips6' } as const;
export const nodeIpsSetName = 'node-ips6';

/**
 * The devices of pods, and those whose pods are isolated: devices of their own in one table, ports of bridges in the other. `pods` has
 * the bridges too, and `closed` those on which no link-local packet may pass.
 */
export const podIfSetNames = {
  all: 'pod-ifs',
  egress: 'egress-pod-ifs',
  pods: 'pod-and-bridge-ifs',
  closed: 'closed-bridges',
} as const;
export const portSetNames = { all: 'bridge-ports', egress: 'egress-ports', ingress: 'ingress-ports' } as const;

/** Which port sends from which address, where its MAC is not known, and where it is, from which MAC; which MACs there are, and of which ports. */
export const portIpsSetName = { ipv4: 'port-ips4', ipv6: 'port-ips6' } as const;
export const portMacIpsSetName = { ipv4: 'port-mac-ips4', ipv6: 'port-mac-ips6' } as const;
export const portMacSetNames = { macs: 'port-macs', ports: 'ports-with-mac' } as const;
/** The link-local address that a port's MAC makes. */
export const portLinkLocalSetName = 'port-link-local6';
