import type { Commit } from '../kernel/commit-watch.ts';

/** If the agent has applied all events, and the watch has reported no commit for this long, the agent has nothing left to do. */
const quietMs = 1000;
const askEveryMs = 50;
const patienceMs = 120_000;

export interface Settling {
  /** The commits that the watch has reported since the last call. */
  readonly drain: () => readonly Commit[];
  /** Whether the agent has applied all events. */
  readonly hasApplied: () => Promise<boolean>;
  /** Milliseconds. */
  readonly now: () => number;
  readonly wait: (milliseconds: number) => Promise<unknown>;
}

/**
 * Waits until the agent has applied all events and the kernel has no more commits. Returns the commits. It asks the agent only while there are none,
 * because an answer takes processor time. A commit may be reported after the answer: the watch reads one message for each element.
 */
export async function settle({ drain, hasApplied, now, wait }: Settling): Promise<Commit[]> {
  const commits: Commit[] = [];
  const end = now() + patienceMs;
  let isApplied = false;
  for (let quietSince = now(); ; await wait(askEveryMs)) {
    const reported = drain();
    commits.push(...reported);
    if (reported.length > 0) quietSince = now();
    if (now() > end) throw new Error(`the agent has not applied all events after ${patienceMs / 1000} s`);
    if (now() - quietSince < quietMs) continue;
    if (isApplied) return commits;
    isApplied = await hasApplied();
    if (isApplied) quietSince = now();
  }
}
