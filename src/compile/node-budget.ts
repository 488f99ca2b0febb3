import { bitLength } from '../lib/bit-length.ts';
import type { ShapeLimits } from './shape-limits.ts';
import { membersOf } from './policy-cost.ts';
import type { ClassRules } from './resolve.ts';
import type { Groups } from './walk.ts';

/**
 * A rough size of a class, with one address per pod. It chooses between two equivalent layouts.
 *
 * `FamilyDraft.written` counts nearly the same for a class that is laid out. It cannot be used here: the layout depends on this choice, and to lay out
 * a class costs work for each member. The two may disagree: this one counts a pod in two groups twice. Neither decides what the class allows, and the
 * budgets depend on the cost of the chosen layout alone (`workOf`, `costOf`).
 */
export interface ClassSize {
  /** Number of tuples: peers times ports. */
  readonly tuples: number;
}

export function sizeOf({ buckets }: ClassRules, groups: Groups): ClassSize {
  let tuples = 0;
  for (const { ports, groups: ids, ranges } of buckets) {
    let peers = ranges.ipv4.length + ranges.ipv6.length;
    for (const id of ids) peers += membersOf(id, groups);
    tuples += peers * (ports === 'any' ? 1 : ports.length);
  }
  return { tuples };
}

/**
 * The maximum number of tuples of each class; Infinity if all classes together fit the limit of the node. Classes do not share tuples. If all classes
 * together are over the limit, classes over their share use one set per group. All classes share these sets, but a packet is looked up in
 * every group of its port.
 * @param tuples of all classes together
 */
export function shareOf(tuples: number, classes: number, limits: ShapeLimits): number {
  // A power of two, so that a new class seldom changes the layout of others.
  return tuples <= limits.maxNodeTuples ? Infinity : limits.maxNodeTuples / 2 ** bitLength(classes);
}
