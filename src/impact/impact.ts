import { prepareCluster } from '../evaluator/cluster.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Issue } from '../model/issue.ts';
import { findFlowChanges } from './flows.ts';
import type { FlowChanges } from './flows.ts';
import { findIsolationChanges } from './isolation.ts';
import type { IsolationChange } from './isolation.ts';
import { findPairChanges } from './pairs.ts';
import type { PairChanges } from './pairs.ts';
import type { NodeFlows } from './seen-flow.ts';
import { Touch } from './touch.ts';

export interface Impact {
  readonly isolation: readonly IsolationChange[];
  /** Missing if there are no tracked flows to compare. */
  readonly flows?: FlowChanges;
  /** Missing if `Question.pairs` is false. */
  readonly pairs?: PairChanges;
  /** Invalid parts of policies after the change, by policy: `NetworkPolicy shop/web`. */
  readonly issues: ReadonlyMap<string, readonly Issue[]>;
}

export interface Question {
  readonly before: readonly JsonObject[];
  readonly after: readonly JsonObject[];
  readonly seen?: readonly NodeFlows[] | undefined;
  /** Whether to compare all pairs of pods on their declared ports. */
  readonly pairs: boolean;
}

const isPolicy = /^(?:Cluster)?NetworkPolicy /;

/** Compares the verdicts before and after. Depends only on its argument. */
export function computeImpact({ before, after, seen, pairs }: Question): Impact {
  const [old, now] = [prepareCluster(before), prepareCluster(after)];
  const touch = new Touch(old, now);
  const issues = new Map<string, Issue[]>();
  for (const { object, ...issue } of now.issues) {
    if (isPolicy.test(object)) issues.set(object, [...(issues.get(object) ?? []), issue]);
  }
  return {
    isolation: findIsolationChanges(old, now),
    ...(seen && { flows: findFlowChanges(old, now, seen, touch) }),
    ...(pairs && { pairs: findPairChanges(old, now, after, touch) }),
    issues,
  };
}
