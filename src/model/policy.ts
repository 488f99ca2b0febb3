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

/** Which pods: namespaces by name or by label, pods by label, and where a named port is meant, only those that declare it. */
export interface Selection {
  /** `all` asks for no Namespace object; a selector, even the empty one, does (S3.4). */
  readonly namespaces: { readonly name: string } | { readonly selector: Selector } | 'all';
  readonly pods: Selector;
  readonly declares?: { readonly name: string; readonly protocol: Protocol };
}

/** Hash of the canonical selection: equal selections of any policies are one group. */
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

/** Allows what matches some peer and some port. An empty list matches nothing; "any" is always explicit. */
export interface PolicyRule {
  readonly peers: readonly Peer[];
  readonly ports: readonly PortMatch[];
}

/** The neutral form of a policy. Its meaning is a union: whatever a rule of any applicable policy allows is allowed. */
export interface Policy {
  readonly id: PolicyId;
  readonly appliesTo: Selection;
  readonly isolates: ReadonlySet<Direction>;
  readonly rules: Readonly<Record<Direction, readonly PolicyRule[]>>;
  /** Every group that the rules name. */
  readonly groups: ReadonlyMap<GroupId, Selection>;
}
