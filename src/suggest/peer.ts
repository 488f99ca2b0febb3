import type { Labels } from '../flows/owner-labels.ts';

/** The other side of a rule. */
export type Peer =
  | { readonly kind: 'pods'; readonly namespace: string; readonly labels: Labels }
  | { readonly kind: 'block'; readonly cidr: string };

export type PortProtocol = 'TCP' | 'UDP' | 'SCTP';

export interface RulePort {
  readonly protocol: PortProtocol;
  readonly port: number | string;
}

/** Pods of all namespaces, nodes, and all addresses outside. */
export interface Anyone {
  readonly kind: 'any';
}

/** What a rule must allow: one peer on one port. */
export interface Need {
  readonly peer: Peer | Anyone;
  readonly port: RulePort;
}
