/** Where what the kernel should hold comes from. `kernel`: what it holds stays, and nothing is written. */
export type Source = 'cluster' | 'saved' | 'kernel';

export interface Situation {
  /** The first lists of the API server are in. */
  readonly inSync: boolean;
  /** There is a saved state that can be used. */
  readonly hasSaved: boolean;
  /** The kernel held a table of ours when the agent started. */
  readonly tableFound: boolean;
  /** Some sandbox is of a saved pod, so the runtime tells who runs here (`keepsSandboxes`). */
  readonly sandboxesKept: boolean;
  /** For `patienceMs` since the agent may write. */
  readonly hasWaited: boolean;
}

/** For so long a table that is there is believed to be newer than the saved state. */
export const patienceMs = 5000;

/**
 * To be asked once the sandboxes of the node have been listed, and again when any of it changes: a saved state without its sandboxes
 * lets nobody pass. So a table stays, however long it takes, where the runtime does not tell who runs here: its rules are the newest
 * truth that there is (S7.12).
 */
export function chooseSource({ inSync, hasSaved, tableFound, sandboxesKept, hasWaited }: Situation): Source {
  if (inSync) return 'cluster';
  if (!hasSaved) return 'kernel';
  if (!tableFound) return 'saved';
  return sandboxesKept && hasWaited ? 'saved' : 'kernel';
}
