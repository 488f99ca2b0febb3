import { bitLength } from '../lib/bit-length.ts';
import type { ShapeLimits } from './class-shape.ts';
import { membersOf } from './policy-cost.ts';
import type { ClassRules, Groups } from './resolve.ts';

/** What a class would write out. Counted roughly, in pods: it decides between two ways to say the same. */
export interface ClassSize {
  /** Peers times ports. */
  readonly product: number;
}

export function sizeOf({ buckets }: ClassRules, groups: Groups): ClassSize {
  let product = 0;
  for (const { ports, groups: ids, ranges } of buckets) {
    let peers = ranges.length;
    for (const id of ids) peers += membersOf(id, groups);
    product += peers * (ports === 'any' ? 1 : ports.length);
  }
  return { product };
}

/**
 * Peers times ports that each class may write out; as many as it likes where all of them together fit. Peers times ports are written out for
 * one class alone. Where all classes of a node together would write out too much, those with more than their share keep groups
 * apart: such sets are there once, and a packet meets all groups of its port.
 */
export function shareOf(sizes: readonly ClassSize[], limits: ShapeLimits): number {
  const total = sizes.reduce((sum, { product }) => sum + product, 0);
  // A power of two, so that a class more or less seldom moves the others.
  return total <= limits.node ? Infinity : limits.node / 2 ** bitLength(sizes.length);
}
