import type { AddressRange } from './address.ts';

export type Direction = 'ingress' | 'egress';
export const directions: readonly Direction[] = ['ingress', 'egress'];

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** One term of a label selector. `matchLabels` entries are `In` with one value. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}
/** All terms must hold; the empty selector holds for everything. */
export type Selector = readonly Requirement[];

/** A set of pods: namespaces by name or label, pods by label, and for a named port only the pods that declare it. */
export interface Selection {
  /** A selector, even the empty one, needs the Namespace object to match (S3.4); `all` does not. */
  readonly namespaces: { readonly name: string } | { readonly selector: Selector } | 'all';
  readonly pods: Selector;
  readonly declares?: { readonly name: string; readonly protocol: Protocol };
}

/** A set of nodes by label: all addresses in their status. */
export interface NodeSelection {
  readonly nodes: Selector;
}

/**
 * Addresses for which the agent cannot tell which selectors match: several pods claim the address (S1.10), or the Namespace object of its pod is not known.
 * A rule that denies must match them, and a rule that accepts must not.
 */
export interface UnplacedSelection {
  readonly unplaced: true;
}

/** What a group consists of. */
export type GroupSelection = Selection | NodeSelection | UnplacedSelection;

/** Hash of the canonical selection: equal selections of different policies are one group. */
export type GroupId = string;
/**
 * Unique over all kinds. It begins with the namespace: budgets and metrics read that. Of a NetworkPolicy, `namespace/name`. A policy without a namespace
 * has an empty one: `/name`.
 */
export type PolicyId = string;

export type Peer =
  | { readonly kind: 'any' }
  /** The pods, or the nodes, of a group. */
  | { readonly kind: 'pods'; readonly group: GroupId }
  /** An ipBlock with its excepts subtracted: disjoint, ascending. */
  | { readonly kind: 'cidr'; readonly ranges: readonly AddressRange[] };

export type PortMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly protocol: Protocol; readonly first: number; readonly last: number }
  /** Resolved on the destination pod (S4.6). `declarers` is the group of all pods that declare the name. */
  | { readonly kind: 'named'; readonly name: string; readonly protocol: Protocol; readonly declarers: GroupId };

/**
 * The tiers, in the order in which they judge a packet. `NetworkPolicy` is the tier of every NetworkPolicy. A policy of the other tiers isolates no pod:
 * what its rules do not match is for the next tier to decide. After the last tier, a packet is allowed.
 */
export const tiers = ['Admin', 'NetworkPolicy', 'Baseline'] as const;
export type Tier = (typeof tiers)[number];

/**
 * The place of a policy that is not enforced: a NetworkPolicy in audit. It is in no tier, so it judges no packet. The kernel only records what it would deny
 * (docs/decisions/0042).
 */
export const auditTier = 'Audit';

/** The annotation of a NetworkPolicy that puts it in audit: `audit`, or `enforce`, which is the default. */
export const modeAnnotation = 'postern.dev/mode';

/** What a rule does with a packet that it matches. After `Pass`, the next tier decides. */
export type Action = 'Accept' | 'Deny' | 'Pass';

/** Where a rule stands in its API object, for messages. */
export interface RuleOrigin {
  /** Index in its direction, from 0. */
  readonly rule: number;
  /** `spec.ingress[0]` */
  readonly path: string;
  readonly name?: string;
  /** The rule cannot be read as a whole, so it denies everything. */
  readonly isUnreadable?: true;
  /** The rule stands for addresses for which the agent cannot tell whether a `Deny` or `Pass` selects them. */
  readonly isUndecided?: true;
}

/** Matches packets that match at least one peer and one port. An empty list matches nothing; "any" is always explicit. */
export interface PolicyRule {
  readonly action: Action;
  readonly peers: readonly Peer[];
  readonly ports: readonly PortMatch[];
  /**
   * Several rules have one origin if the API's rule becomes several. Missing in the tier of NetworkPolicies, which decide together, and in a rule that
   * stands in for a policy that is left out.
   */
  readonly origin?: RuleOrigin;
}

/**
 * The kind-independent form of a policy. In each direction, the rules of all policies that select a pod are one ordered list (`order.ts`), and the
 * first rule that matches a packet decides. A NetworkPolicy has `Accept` rules only. After the rules of its tier, it denies the rest in the directions
 * that it isolates. So the rules of several NetworkPolicies are ORed, and their order means nothing.
 */
export interface Policy {
  readonly id: PolicyId;
  readonly tier: Tier | typeof auditTier;
  /** Within the tier: a lower number comes first. */
  readonly priority: number;
  readonly appliesTo: Selection;
  /** The directions in which its tier denies what no rule of the tier matches, or would deny if it were not in audit. */
  readonly isolates: ReadonlySet<Direction>;
  /** In order. */
  readonly rules: Readonly<Record<Direction, readonly PolicyRule[]>>;
  /** Every group that the rules name. */
  readonly groups: ReadonlyMap<GroupId, GroupSelection>;
}

/** Whether the policy has no namespace: it is a ClusterNetworkPolicy. */
export function isOfCluster(id: PolicyId): boolean {
  return id.startsWith('/');
}

export type EnforcedPolicy = Policy & { readonly tier: Tier };

/** Whether the policy is enforced. */
export function isEnforced(policy: Policy): policy is EnforcedPolicy {
  return policy.tier !== auditTier;
}

/** For messages: `shop/web`, `ClusterNetworkPolicy guard`. */
export function nameOfPolicy(id: PolicyId): string {
  return isOfCluster(id) ? `ClusterNetworkPolicy ${id.slice(1)}` : id;
}
