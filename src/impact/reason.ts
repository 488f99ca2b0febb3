import type { Decision, Direction, NearMiss, PolicyRef, TierRuleRef } from '../evaluator/decision.ts';
import { directions } from './isolation.ts';

/** Why one end denies a flow. */
export interface Reason {
  readonly direction: Direction;
  readonly reason: string;
  /** The rule of a ClusterNetworkPolicy that denies it; missing if no rule matches. */
  readonly deniedBy?: TierRuleRef;
  readonly isolatedBy: readonly PolicyRef[];
  /** Rules that nearly allow it, nearest first. */
  readonly nearMisses: readonly NearMiss[];
}

export type Ends = Partial<Pick<Decision, Direction>>;

export function allows(ends: Ends): boolean {
  return directions.every((direction) => ends[direction]?.verdict !== 'denied');
}

export function reasonsOf(ends: Ends): Reason[] {
  return directions.flatMap((direction) => {
    const end = ends[direction];
    if (end?.verdict !== 'denied') return [];
    const { reason, tiers, isolatedBy, nearMisses } = end;
    const deniedBy = tiers?.decidedBy;
    return [{ direction, reason, ...(deniedBy && { deniedBy }), isolatedBy, nearMisses }];
  });
}
