/** Consecutive empty lists of a resource that had objects before. */
export interface EmptyLists {
  /** When the first of them arrived, in milliseconds of a monotonic clock. */
  readonly first: number;
  readonly count: number;
}

const minLists = 5;
const minMs = 30_000;
/** Milliseconds before the next list. */
export const emptyPauseMs = 5000;

/** Counts one more empty list. */
export function countEmpty(lists: EmptyLists | undefined, now: number): EmptyLists {
  return { first: lists?.first ?? now, count: (lists?.count ?? 0) + 1 };
}

/**
 * Whether the watch may accept that the resource has no objects (S7.18). An API server whose data store was lost or is being restored also returns
 * empty lists, and accepting one at once would remove isolation on all nodes. Deletions arrive as watch events, and those apply at once.
 */
export function isEmptyAccepted({ first, count }: EmptyLists, now: number): boolean {
  return count >= minLists && now - first >= minMs;
}
