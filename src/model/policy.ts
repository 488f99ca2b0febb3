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

/** Hash of the canonical selection: equal selections of different policies are one group. */
export type GroupId = string;
/** `namespace/name` */
export type PolicyId = string;

export type Peer =
  | { readonly kind: 'any' }
  | { readonly kind: 'pods'; readonly group: GroupId }
  /** An ipBlock with its excepts subtracted: disjoint, ascending. */
  | { readonly kind: 'cidr'; readonly ranges: readonly AddressRange[] };

export type PortMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly protocol: Protocol; readonly first: number; readonly last: number }
  /** Resolved on the destination pod (S4.6). `declarers` is the group of all pods that declare the name. */
  | { readonly kind: 'named'; readonly name: string; readonly protocol: Protocol; readonly declarers: GroupId };

/** Allows packets that match at least one peer and one port. An empty list matches nothing; "any" is always explicit. */
export interface PolicyRule {
  readonly peers: readonly Peer[];
  readonly ports: readonly PortMatch[];
}

/** The kind-independent form of a policy. The rules of all policies that select a pod are ORed. */
export interface Policy {
  readonly id: PolicyId;
  readonly appliesTo: Selection;
  readonly isolates: ReadonlySet<Direction>;
  readonly rules: Readonly<Record<Direction, readonly PolicyRule[]>>;
  /** Every group that the rules name. */
  readonly groups: ReadonlyMap<GroupId, Selection>;
}
