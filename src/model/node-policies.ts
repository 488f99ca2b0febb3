import type { Issue } from './issue.ts';
import type { PolicyId } from './policy.ts';

/** A version of a policy's spec. A write of the status does not change it. */
export interface SpecVersion {
  readonly uid: string;
  readonly generation: number;
}

/** A version of a policy, as far as a node enforces it. */
export interface PolicyVersion extends SpecVersion {
  /** Of a NetworkPolicy, whose annotations count too. A ClusterNetworkPolicy gets another one with each write of its status. */
  readonly resourceVersion?: string;
}

/** Why the node leaves the rules of a policy out: it denies instead (S9.10, S9.12, S10.23). */
export const leftOutReasons = ['too-large', 'refused-by-kernel'] as const;
export type LeftOutReason = (typeof leftOutReasons)[number];

/** For messages: `…, because they cost the node too much`. */
export const leftOutTexts: Readonly<Record<LeftOutReason, string>> = {
  'too-large': 'they cost the node too much',
  'refused-by-kernel': 'the kernel refuses them',
};

/** Ends a message about a policy. */
export function whyLeftOut(node: string, reason: LeftOutReason): string {
  return `node ${node} leaves out the rules of this policy, because ${leftOutTexts[reason]}`;
}

/** The content of the agent's page `/policies`: what the node's kernel holds, as of one moment. */
export interface NodePolicies {
  readonly node: string;
  /** The version of the agent. */
  readonly version: string;
  /** Why the kernel may not hold what follows. Missing if it does. */
  readonly doubt?: string;
  /** Seconds since the API server last sent anything for the resource that has waited longest; missing before the first answer. */
  readonly silentSeconds?: number;
  /** By table (`ip`), seconds since the agent began its last complete comparison of the table with what it should hold. */
  readonly comparedSecondsAgo: Readonly<Record<string, number>>;
  /** The ClusterNetworkPolicies of the cluster, and the NetworkPolicies that select a pod of this node. */
  readonly policies: readonly HeldPolicy[];
  readonly pods: readonly HeldPod[];
}

export interface HeldPolicy extends PolicyVersion {
  readonly id: PolicyId;
  readonly leftOut?: LeftOutReason;
  /** What the node enforces otherwise than written, because of what else there is in the cluster (S10.17). */
  readonly issues?: readonly HeldIssue[];
}

/** A pod of this node that policies may isolate. */
export interface HeldPod {
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  /** The addresses that have the rules. */
  readonly addresses: readonly string[];
  /** The policies that select it: indices in `policies`, as a node has many pods with the same ones. */
  readonly policies: readonly number[];
  readonly issues?: readonly HeldIssue[];
}

export type HeldIssue = Pick<Issue, 'code' | 'effect' | 'message'>;
