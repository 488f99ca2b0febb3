import type { Cluster } from '../evaluator/cluster.ts';
import type { Direction, PolicyRef } from '../evaluator/decision.ts';
import { isolatingPolicies } from '../evaluator/subject.ts';
import { sorted } from '../lib/sort.ts';

/** A pod that becomes isolated for a direction, or stops being isolated. */
export interface IsolationChange {
  readonly pod: string;
  readonly direction: Direction;
  readonly isolated: boolean;
  /** The policies that isolate it: after the change, or before if it stops being isolated. */
  readonly by: readonly PolicyRef[];
}

export const directions: readonly Direction[] = ['ingress', 'egress'];

/** Compares pods that both clusters have. */
export function findIsolationChanges(before: Cluster, after: Cluster): IsolationChange[] {
  return sorted(before.pods.keys()).flatMap((key) => {
    const [then, now] = [before.pods.get(key)!, after.pods.get(key)];
    if (!now) return [];
    return directions.flatMap((direction): IsolationChange[] => {
      const was = isolatingPolicies(before, then, direction);
      const is = isolatingPolicies(after, now, direction);
      if (was.length > 0 === is.length > 0) return [];
      const isolated = is.length > 0;
      return [{ pod: key, direction, isolated, by: (isolated ? is : was).map(({ ref }) => ref) }];
    });
  });
}
