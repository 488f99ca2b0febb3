/** Limits of the layout of classes (`class-shape.ts`). */
export interface ShapeLimits {
  /** A bucket becomes tuples (peer . port) up to this many. A larger bucket's peers are looked up behind a port map. */
  readonly maxTuples: number;
  /** Maximum number of such lookups per class for groups, and the same for blocks. It bounds the lookups of a packet. */
  readonly maxSharedLookups: number;
  /** Maximum number of elements of a class, or `maxSinglePorts.ofTuples` times its peers and ports if that is more. A larger class shares its groups' sets (`sharesGroups`). */
  readonly maxClassElements: number;
  /** A class with more tuples, as `node-budget.ts` counts them, shares its groups' sets (`sharesGroups`) if `maxLookupsOfPort` allows it. */
  readonly maxClassTuples: number;
  /** Maximum number of sets that a packet of one port is looked up in then (`ClassRules.lookupsOfPort`). */
  readonly maxLookupsOfPort: number;
  /** Maximum number of tuples of all classes of a node (`node-budget.ts`). */
  readonly maxNodeTuples: number;
  /** Each group is one set behind its ports, and all classes share it. Nearly nothing becomes tuples. */
  readonly sharesGroups?: boolean;
}

/** With these limits, at most an eighth as much becomes tuples: by default 64. They cost 320 units, as much as six sets. */
export function withSharedGroups(limits: ShapeLimits): ShapeLimits {
  return { ...limits, maxTuples: limits.maxTuples >> 3, maxSharedLookups: Infinity, sharesGroups: true };
}

/**
 * Each limit chooses between two equivalent layouts: one costs packets less, the other costs nft less. The units are those of `budgets.ts`.
 *
 * - `maxTuples`: nft takes about 5 ms for 512 tuples (docs/decisions/0014). Behind ports, each packet pays about 120 ns more than for a tuple
 *   (docs/performance/all.md: 720 and 480 ns for two classes). A larger tuple set makes no packet slower (K20), so nft's cost alone decides.
 * - `maxSharedLookups`: with gate and guard, small UDP keeps 0.80 of its path if one group has its port, and 0.77 at the last of three
 *   (docs/performance/all.md, B1, 10,000 policies). So at the last of four it is near the bar of 0.75.
 * - `maxClassElements`: as tuples, 250,000 units. The class changes its layout before its namespace reaches the budget of 400,000.
 * - `maxClassTuples` and `maxLookupsOfPort`: on a dense dual-stack node, the unions of groups in classes were 447,000 of 509,000 elements. Shared sets
 *   leave 167,000, and a packet passes up to six sets instead of four (docs/decisions/0025). Below 1,000 tuples there is little to save.
 * - `maxNodeTuples`: 5,000,000 units of the node's 6,000,000, and about 1 GB of nft's memory: 420,000 tuples take 430 MB (docs/decisions/0014).
 */
export const defaultLimits: ShapeLimits = {
  maxTuples: 512,
  maxSharedLookups: 4,
  maxClassElements: 50_000,
  maxClassTuples: 1000,
  maxLookupsOfPort: 8,
  maxNodeTuples: 1_000_000,
};
