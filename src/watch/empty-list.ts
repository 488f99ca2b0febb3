/** Answers in a row that said that there is nothing of a resource of which there was something. */
export interface EmptyAnswers {
  /** When the first of them came, in milliseconds of a clock that never goes back. */
  readonly first: number;
  readonly count: number;
}

const leastAnswers = 5;
const leastMs = 30_000;
/** Before the next question. */
export const emptyPauseMs = 5000;

/** With one more such answer. */
export function countEmpty(answers: EmptyAnswers | undefined, now: number): EmptyAnswers {
  return { first: answers?.first ?? now, count: (answers?.count ?? 0) + 1 };
}

/**
 * Whether nothing is there indeed (S7.18). A data store that was lost or is being restored answers so too, and to believe it would open all pods of all
 * nodes at once. Objects that somebody deletes come as events of the watch, which are believed at once.
 */
export function isEmptyBelieved({ first, count }: EmptyAnswers, now: number): boolean {
  return count >= leastAnswers && now - first >= leastMs;
}
