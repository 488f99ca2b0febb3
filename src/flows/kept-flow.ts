import type { Labels } from './owner-labels.ts';

/** One end of a kept flow. */
export type FlowEnd =
  /** All pods of a namespace with the same labels, apart from those that controllers set (`owner-labels.ts`). */
  | { readonly kind: 'workload'; readonly namespace: string; readonly labels: Labels }
  | { readonly kind: 'node'; readonly name: string }
  /** Sockets of the node that the pod at the other end runs on. */
  | { readonly kind: 'own-node' }
  /** Outside of the cluster, as far as the agent knows. A single address is a block too. */
  | { readonly kind: 'block'; readonly cidr: string }
  /** All pods of a namespace that has more flows than the agent keeps. */
  | { readonly kind: 'namespace'; readonly name: string }
  /** Ends beyond those that the agent keeps apart. */
  | { readonly kind: 'others' };

/**
 * `allowed`: the connection was answered; TCP and SCTP were established. `unanswered`: packets left, and nothing came back. `denied`: a rule of the node
 * dropped it.
 */
export const verdicts = ['allowed', 'unanswered', 'denied'] as const;
export type SeenVerdict = (typeof verdicts)[number];

export const keptProtocols = ['TCP', 'UDP', 'SCTP', 'ICMP'] as const;
export type KeptProtocol = (typeof keptProtocols)[number];

/** Which ends are pods of the node that keeps the flow. Both nodes of a connection keep it. */
export const places = ['source', 'destination', 'both'] as const;
export type Place = (typeof places)[number];

/** `other`: ports beyond those that the agent keeps apart. Missing for ICMP. */
export type KeptPort = number | 'other' | undefined;

/** Connections between two ends on one port, as an agent keeps them. Minutes count from 1970. */
export interface KeptFlow {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly local: Place;
  readonly protocol: KeptProtocol;
  /** After DNAT. */
  readonly port?: number | 'other';
  readonly verdict: SeenVerdict;
  /** The first and the last minute in which it was seen. An open connection is seen again until it ends. */
  readonly first: number;
  readonly last: number;
  /** New connections by minute, ascending; minutes without any are left out. */
  readonly minutes: readonly (readonly [minute: number, connections: number])[];
}

/** What the agent of a node has kept: the answer of `postern node history -o json`. */
export interface FlowHistory {
  readonly node: string;
  /** The minute of the answer, and the one in which the agent began to keep flows, which can be long ago. By the agent's clock until `alignHistories`. */
  readonly now: number;
  readonly since: number;
  /** Why the connections could not be read at the last try. */
  readonly failing?: string;
  /** The last look at all tracked connections; missing until there was one. */
  readonly look?: { readonly seconds: number; readonly connections: number };
  readonly flows: readonly KeptFlow[];
}

/** Text that is equal for equal ends only. */
export function keyOfEnd(end: FlowEnd): string {
  switch (end.kind) {
    case 'workload':
      return `workload ${end.namespace} ${JSON.stringify(Object.entries(end.labels))}`;
    case 'node':
    case 'namespace':
      return `${end.kind} ${end.name}`;
    case 'block':
      return `block ${end.cidr}`;
    case 'own-node':
    case 'others':
      return end.kind;
  }
}
