import type { Change } from './conditions.ts';

/**
 * Milliseconds for which a change must last before it is written, the most urgent first. Nodes come and go all the time in a large cluster, and each changes the
 * number of nodes in all policies.
 */
export const patience: Readonly<Record<Change, number>> = {
  complete: 0,
  // Agents of a small cluster report within this time, so that one write says all.
  spec: 3000,
  progress: 60_000,
  // A new node has this long to start its agent.
  regress: 300_000,
  count: 600_000,
};

const urgency = Object.keys(patience) as Change[];

/** A change that waits. */
export interface Waiting {
  readonly change: Change;
  readonly since: number;
}

/** The changes that wait now. A change of another kind begins to wait anew. */
export function wait(
  before: ReadonlyMap<string, Waiting>,
  changes: ReadonlyMap<string, { readonly change: Change }>,
  now: number,
): ReadonlyMap<string, Waiting> {
  return new Map(
    Array.from(changes, ([name, { change }]) => {
      const known = before.get(name);
      return [name, known?.change === change ? known : { change, since: now }];
    }),
  );
}

/** The names whose change has waited long enough, the most urgent first. */
export function dueOf(waiting: ReadonlyMap<string, Waiting>, now: number): string[] {
  return [...waiting]
    .filter(([, { change, since }]) => now - since >= patience[change])
    .sort(([, a], [, b]) => urgency.indexOf(a.change) - urgency.indexOf(b.change) || a.since - b.since)
    .map(([name]) => name);
}
