import type { Family } from '../model/address.ts';

/** Chains and sets that are not of a class. Names of classes and of their sets end in a hash (lib/hash.ts), which no name here does. */
export const chainNames = {
  special: 'special',
  errors: { forward: 'errors', input: 'errors-to-node' },
  midstream: { any: 'midstream', destination: 'to-midstream' },
  cut: 'cut',
  replies: 'replies',
  deny: { ingress: 'deny-ingress', egress: 'deny-egress' },
  record: { ingress: 'record-ingress', egress: 'record-egress' },
  gate: 'gate',
  nobody: { source: 'from-nobody', destination: 'to-nobody' },
  guard: 'guard',
  sources: 'sources',
  linkControl: 'link-control',
  deliver: 'deliver',
  deliverOwn: 'deliver-own',
  strangers: { source: 'from-strangers', destination: 'to-strangers' },
  newcomers: { source: 'from-newcomers', destination: 'to-newcomers' },
} as const;

export const orientations = ['original', 'reply'] as const;
/** Replies are read mirrored: source and destination exchanged (S0.1, S5.14, K1). */
export type Orientation = (typeof orientations)[number];

export const familyDigit = { ipv4: '4', ipv6: '6' } as const;

/** What a class reads of a packet: the header, in either orientation, or of an ICMP error the connection that it is about (S5.19, K2). */
export const readings = [...orientations, 'error'] as const;
export type Reading = (typeof readings)[number];

const suffixes: Readonly<Record<Reading, string>> = { original: '', reply: '-r', error: '-e' };

/** `egress`, `ingress-r`, `egress-e` … */
export function orientedName(name: string, reading: Reading): string {
  return `${name}${suffixes[reading]}`;
}

/** `egress4`, `ingress6-r`, `egress4-e` … */
export function isolationMapName(direction: string, family: Family, reading: Reading): string {
  return orientedName(`${direction}${familyDigit[family]}`, reading);
}

/** The same by device and address, for pods whose device is known. */
export function ownerMapName(direction: string, family: Family, orientation: Orientation): string {
  return orientedName(`${direction}${familyDigit[family]}-owners`, orientation);
}

export const isolatedSetName = { ipv4: 'isolated4', ipv6: 'isolated6' } as const;
export const selfSetName = { ipv4: 'self4', ipv6: 'self6' } as const;

/** What is denied is noted here. */
export function deniedSetName(direction: string, family: Family): string {
  return `denied-${direction}${familyDigit[family]}`;
}

/** Of the guard: which device has which addresses. */
export const ownersSetName = { ipv4: 'owners4', ipv6: 'owners6' } as const;
/** Addresses that have such a device. */
export const linkedSetName = { ipv4: 'linked4', ipv6: 'linked6' } as const;
/** Those of them whose device is the pod's own, in the tables that route. */
export const routedSetName = { ipv4: 'routed4', ipv6: 'routed6' } as const;
/** Addresses of pods that have none that is known. */
export const unlinkedSetName = { ipv4: 'unlinked4', ipv6: 'unlinked6' } as const;
export const multicastMapName = { ipv4: 'multicast4', ipv6: 'multicast6' } as const;

/** Addresses of other nodes, which take tunnel packets there, and of this node. */
export const otherNodesSetName = { ipv4: 'other-nodes4', ipv6: 'other-nodes6' } as const;
export const ownNodeSetName = 'own-node6';

/**
 * The devices of pods, and those whose pods are isolated: devices of their own in one table, ports of bridges in the other. `pods` has
 * the bridges too, and `closed` those on which no link-local packet may pass.
 */
export const linkSetNames = {
  all: 'links',
  egress: 'egress-links',
  pods: 'pod-devices',
  closed: 'closed-bridges',
} as const;
export const portSetNames = { all: 'ports', egress: 'egress-ports', ingress: 'ingress-ports' } as const;

/** Which port sends from which address, where its MAC is not known, and where it is, from which MAC; which MACs there are, and of which ports. */
export const senderSetName = { ipv4: 'senders4', ipv6: 'senders6' } as const;
export const macSenderSetName = { ipv4: 'mac-senders4', ipv6: 'mac-senders6' } as const;
export const macSetNames = { macs: 'macs', ports: 'mac-ports' } as const;
/** The link-local address that a port's MAC makes. */
export const linkLocalSetName = 'link-local6';
