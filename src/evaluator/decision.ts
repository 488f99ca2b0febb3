import type { Family } from '../model/address.ts';

export type Direction = 'ingress' | 'egress';
export type Verdict = 'allowed' | 'denied';
export type PortProtocol = 'TCP' | 'UDP' | 'SCTP';
/** What judges, in this order. */
export type Tier = 'Admin' | 'NetworkPolicy' | 'Baseline';
export type Action = 'Accept' | 'Deny' | 'Pass';

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
  /** Of a pod to itself: the connection leaves the pod, and a Service brings it back. Without it, such a connection never leaves the pod (S10.18). */
  readonly throughService?: true;
}

/** `namespace/name` of a NetworkPolicy; `ClusterNetworkPolicy name`. */
export type PolicyRef = string;

export interface RuleRef {
  readonly policy: PolicyRef;
  /** Index in `spec.ingress` or `spec.egress`, from 0. */
  readonly rule: number;
  /** `spec.ingress[0]` */
  readonly path: string;
}

/** A rule of a ClusterNetworkPolicy that matches a flow. */
export interface TierRuleRef extends RuleRef {
  readonly tier: Tier;
  readonly priority: number;
  readonly action: Action;
  /** The name that the rule has, if any. */
  readonly name?: string;
  /** The rule cannot be read as a whole, so it denies everything (S10.20). */
  readonly isUnreadable?: true;
  /** Why Postern cannot tell whether the rule selects the other end. The rule then denies this (S10.11). */
  readonly undecided?: string;
  /** Why the node leaves out the rules of the policy. This then stands for the policy as a whole, which denies everything (S10.23). */
  readonly leftOut?: string;
}

/** The part of rules of ClusterNetworkPolicies in a verdict. */
export interface TierSteps {
  /** The rule that decided; missing if none did. */
  readonly decidedBy?: TierRuleRef;
  /** The `Pass` rules that matched before, one of each tier at most. */
  readonly passedBy: readonly TierRuleRef[];
  /** Matching rules that come too late to decide, at most ten. */
  readonly passedOver: readonly TierRuleRef[];
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
  /** False if no policy decides at this end, or if the traffic is exempt (S5.1, S5.5). */
  readonly judged: boolean;
  readonly reason: string;
  readonly isolatedBy: readonly PolicyRef[];
  readonly allowedBy: readonly RuleRef[];
  /** Nearest first, at most three; empty unless denied. */
  readonly nearMisses: readonly NearMiss[];
  /** Missing if no rule of a ClusterNetworkPolicy matches. */
  readonly tiers?: TierSteps;
  /** Only of `evaluateAudits`, and missing if no policy in audit has a part in it. */
  readonly audit?: AuditedEnd;
}

/** What an end would decide if the policies in audit were enforced (S13.3). */
export interface AuditedEnd extends Pick<End, 'verdict' | 'reason' | 'allowedBy' | 'nearMisses'> {
  /** The policies in audit that would isolate the pod. */
  readonly policies: readonly PolicyRef[];
}

/** Allowed if both ends allow (S0.1). */
export interface Decision {
  readonly verdict: Verdict;
  readonly egress: End;
  readonly ingress: End;
}
