import type { Issue } from './issue.ts';
import type { PolicyId } from './policy.ts';

/** What the agent of a node knows of it, as its page `/node` tells. */
export interface NodeState {
  readonly node: string;
  readonly version: string;
  /** Of each resource a hash over the objects that are in force; missing before the first that are. */
  readonly applied?: Readonly<Record<string, string>>;
  readonly live: readonly StateOfCheck[];
  readonly ready: readonly StateOfCheck[];
  /** Whether there shall be a gate, and the ranges in which there is one. */
  readonly startGate: boolean;
  readonly gatedRanges: readonly string[];
  /** Whose pods claim addresses there; missing if nobody's. */
  readonly gateClaims?: readonly GateClaims[];
  readonly pods: readonly StateOfPod[];
  /** Sandboxes that run and whose pod is not known. */
  readonly unknownPods: readonly string[];
  readonly issues: readonly StateOfIssue[];
}

/** Pods of another node claim addresses in the gated ranges of this one. */
export interface GateClaims {
  readonly node: string;
  readonly addresses: number;
  /** Whether these addresses, and they alone, pass the gate. */
  readonly pass: boolean;
}

export interface StateOfCheck {
  readonly name: string;
  /** Why it is not fine; missing if it is. */
  readonly reason?: string;
  readonly note?: string;
}

/** A pod on this node that policies may isolate. */
export interface StateOfPod {
  /** `namespace/name` */
  readonly pod: string;
  readonly addresses: readonly string[];
  /** Address -> the device that the IP hooks see it on, and the port of that bridge. */
  readonly links: Readonly<Record<string, { readonly device: string; readonly port?: string }>>;
  /** Which policies isolate it. */
  readonly ingress: readonly PolicyId[];
  readonly egress: readonly PolicyId[];
}

export interface StateOfIssue extends Issue {
  readonly kind: 'pod' | 'policy' | 'other';
  /** `namespace/name` */
  readonly object: string;
}
