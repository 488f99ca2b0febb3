import type { Family } from '../model/address.ts';

export type Direction = 'ingress' | 'egress';
export type Verdict = 'allowed' | 'denied';
export type PortProtocol = 'TCP' | 'UDP' | 'SCTP';

/** One end of a flow. An address that a pod or a node owns stands for that pod or node (S1.9, S1.10, S1.12). */
export type Endpoint =
  /** `namespace/name` */
  | { readonly pod: string }
  /** A socket in the node's network namespace. `address` defaults to the node's first address of the family. */
  | { readonly node: string; readonly address?: string }
  | { readonly address: string };

/** A connection's first packet, after DNAT and before SNAT (S0.1). */
export interface Flow {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** A number is an IP protocol number; `ICMP` is ICMPv6 in an IPv6 flow. */
  readonly protocol: PortProtocol | 'ICMP' | number;
  /** Missing for protocols without ports, and for a fragment without the transport header (S4.15). */
  readonly destinationPort?: number;
  readonly family: Family;
}

/** `namespace/name` of a NetworkPolicy. */
export type PolicyRef = string;

export interface RuleRef {
  readonly policy: PolicyRef;
  /** Index in `spec.ingress` or `spec.egress`, from 0. */
  readonly rule: number;
  /** `spec.ingress[0]` */
  readonly path: string;
}

/** A rule that would allow the flow if one field were different. */
export interface NearMiss {
  readonly policy: PolicyRef;
  /** Missing if the policy as a whole allows nothing. */
  readonly rule?: number;
  /** The field that would have to differ, as `spec.ingress[0].ports[1].port`. */
  readonly path: string;
  readonly reason: string;
}

/** One check: egress at the source, or ingress at the destination. */
export interface End {
  readonly verdict: Verdict;
  /** False if no isolated pod is at this end, or if the traffic is exempt (S5.1, S5.5). */
  readonly judged: boolean;
  readonly reason: string;
  readonly isolatedBy: readonly PolicyRef[];
  readonly allowedBy: readonly RuleRef[];
  /** Nearest first, at most three; empty unless denied. */
  readonly nearMisses: readonly NearMiss[];
}

/** Allowed if both ends allow (S0.1). */
export interface Decision {
  readonly verdict: Verdict;
  readonly egress: End;
  readonly ingress: End;
}
