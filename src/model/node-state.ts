import type { Issue } from './issue.ts';
import type { PolicyId } from './policy.ts';

/** The content of the agent's page `/node`. */
export interface NodeState {
  readonly node: string;
  readonly version: string;
  /** Per resource, a hash over the objects whose rules are programmed; missing before the first transaction. */
  readonly applied?: Readonly<Record<string, string>>;
  readonly live: readonly StateOfCheck[];
  readonly ready: readonly StateOfCheck[];
  /** Whether the operator wants the start gate; `gatedRanges` are the ranges that have it. */
  readonly startGate: boolean;
  readonly gatedRanges: readonly string[];
  /** Other nodes whose pods claim addresses in `gatedRanges`; missing if there are none. */
  readonly gateClaims?: readonly GateClaims[];
  readonly pods: readonly StateOfPod[];
  /** Running sandboxes whose pod object the agent does not know. */
  readonly unknownPods: readonly string[];
  readonly issues: readonly StateOfIssue[];
}

/** Another node whose pods claim addresses in this node's gated ranges. */
export interface GateClaims {
  readonly node: string;
  readonly addresses: number;
  /** Whether exactly these addresses pass the gate. */
  readonly pass: boolean;
}

export interface StateOfCheck {
  readonly name: string;
  /** Why the check fails; missing if it passes. */
  readonly reason?: string;
  readonly note?: string;
}

/** A pod on this node that policies may isolate. */
export interface StateOfPod {
  /** `namespace/name` */
  readonly pod: string;
  readonly addresses: readonly string[];
  /** By address: the device that the IP hooks see, and the bridge port if that device is a bridge. */
  readonly links: Readonly<Record<string, { readonly device: string; readonly port?: string }>>;
  /** The policies that may deny it something, per direction. */
  readonly ingress: readonly PolicyId[];
  readonly egress: readonly PolicyId[];
}

export interface StateOfIssue extends Issue {
  readonly kind: 'pod' | 'policy' | 'other';
  /** `namespace/name`; of a policy, its id. */
  readonly object: string;
}
