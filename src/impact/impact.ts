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
import { findTouched } from './touch.ts';

/** What a change to a cluster does. */
export interface Impact {
  readonly isolation: readonly IsolationChange[];
  /** None where no node has told. */
  readonly flows?: FlowChanges;
  /** None where they were not asked for. */
  readonly pairs?: PairChanges;
  /** What is not understood of policies after the change, by policy: `shop/web`. */
  readonly issues: ReadonlyMap<string, readonly Issue[]>;
}

export interface Question {
  readonly before: readonly JsonObject[];
  readonly after: readonly JsonObject[];
  readonly seen?: readonly NodeFlows[] | undefined;
  /** Whether to judge all pairs of pods on their declared ports. */
  readonly pairs: boolean;
}

/** Judges everything before and after: nothing but the objects and the flows decides. */
export function judgeImpact({ before, after, seen, pairs }: Question): Impact {
  const old = { objects: before, cluster: prepareCluster(before) };
  const now = { objects: after, cluster: prepareCluster(after) };
  const touches = findTouched(old, now);
  const issues = new Map<string, Issue[]>();
  for (const { object, ...issue } of now.cluster.issues) {
    const [kind, ref] = object.split(' ') as [string, string];
    if (kind === 'NetworkPolicy') issues.set(ref, [...(issues.get(ref) ?? []), issue]);
  }
  return {
    isolation: findIsolationChanges(old.cluster, now.cluster),
    ...(seen && { flows: findFlowChanges(old.cluster, now.cluster, seen, touches) }),
    ...(pairs && { pairs: findPairChanges(old.cluster, now.cluster, after, touches) }),
    issues,
  };
}
