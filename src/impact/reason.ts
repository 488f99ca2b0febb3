import type { Decision, Direction, NearMiss, PolicyRef } from '../evaluator/decision.ts';
import { directions } from './isolation.ts';

/** Why one end denies a flow. */
export interface Reason {
  readonly direction: Direction;
  readonly reason: string;
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
    const { reason, isolatedBy, nearMisses } = end;
    return [{ direction, reason, isolatedBy, nearMisses }];
  });
}
