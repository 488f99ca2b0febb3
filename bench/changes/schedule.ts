import type { Random } from '../cluster/random.ts';
import type { Way } from './in-force.ts';
import { again, relabelled, withoutLabels, type PodObject } from './pods.ts';

/** How many pod events a second, and how many of these change what this node must enforce. */
export interface Rate {
  readonly seconds: number;
  readonly events: number;
  readonly concerning: number;
}

export interface ScheduledEvent {
  /** Milliseconds after the first. */
  readonly due: number;
  readonly object: PodObject;
  /** What it changes on this node, if anything. */
  readonly way?: Way;
}

/** So many pods leave their groups one after the other, then come back: never is one there and gone within one run. */
const block = 10;

/** Evenly spread over the time; of those that concern nobody here half bring another label, half only another version. */
export function* schedule(
  { seconds, events, concerning }: Rate,
  members: readonly PodObject[],
  others: readonly PodObject[],
  random: Random,
): Generator<ScheduledEvent> {
  const between = events / concerning;
  for (let i = 0, k = 0; i < seconds * events; i++) {
    const due = (i * 1000) / events;
    // In the middle of its turn, so that the last one has as long as the others.
    if (i % between === Math.floor(between / 2)) {
      yield { due, ...membership(members, k++) };
    } else {
      const pod = random.pick(others);
      yield { due, object: i % 2 === 0 ? again(pod) : relabelled(pod, random) };
    }
  }
}

function membership(members: readonly PodObject[], k: number): { object: PodObject; way: Way } {
  const turn = Math.floor(k / (2 * block));
  const pod = members[(turn * block + (k % block)) % members.length]!;
  return k % (2 * block) < block
    ? { object: withoutLabels(pod), way: 'removal' }
    : { object: again(pod), way: 'addition' };
}
