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

/** What a rule must allow: one peer on one port. */
export interface Need {
  readonly peer: Peer;
  readonly port: RulePort;
}
