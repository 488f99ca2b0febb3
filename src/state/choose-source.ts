/** The source of the rules that the kernel should hold. `kernel`: the agent writes nothing, and the current rules stay. */
export type Source = 'cluster' | 'saved' | 'kernel';

export interface Situation {
  /** The watches have received the first lists of the API server. */
  readonly inSync: boolean;
  /** A usable saved state exists. */
  readonly hasSaved: boolean;
  /** The kernel held one of our tables when the agent started. */
  readonly tableFound: boolean;
  /** The rules in the kernel may be newer than the saved state. */
  readonly isUnsaved: boolean;
  /** A sandbox belongs to a saved pod, so the container runtime records sandboxes. */
  readonly sandboxesRecorded: boolean;
  /** The agent has been allowed to write for `patienceMs`. */
  readonly hasWaited: boolean;
}

/** For so many milliseconds after the start, the agent treats an existing table as newer than the saved state. */
export const patienceMs = 5000;

/**
 * Chooses the source once the sandboxes of the node have been listed, and again after each change. Without records of sandboxes, a saved state
 * denies all local pods. So an existing table stays in force then until the API server answers: its rules are the last known state (S7.12). The same
 * holds for rules that are newer than the saved state.
 */
export function chooseSource({
  inSync,
  hasSaved,
  tableFound,
  isUnsaved,
  sandboxesRecorded,
  hasWaited,
}: Situation): Source {
  if (inSync) return 'cluster';
  if (!hasSaved) return 'kernel';
  if (!tableFound) return 'saved';
  return !isUnsaved && sandboxesRecorded && hasWaited ? 'saved' : 'kernel';
}
