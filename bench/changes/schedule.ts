import type { Random } from '../cluster/random.ts';
import type { Way } from './in-force.ts';
import { again, relabelled, withoutLabels, type PodObject } from './pods.ts';

/** Pod events per second, and the number of these that change the rules of this node. */
export interface Rate {
  readonly seconds: number;
  readonly events: number;
  readonly concerning: number;
}

export interface ScheduledEvent {
  /** Milliseconds after the first event. */
  readonly due: number;
  readonly object: PodObject;
  /** Effect on this node; missing if there is none. */
  readonly way?: Way;
}

/** Number of pods that leave their groups one after the other and then return, so that no pod does both within one run. */
const block = 10;

/** Spreads events evenly. Half of the events without effect change a label, the other half only the resourceVersion. */
export function* schedule(
  { seconds, events, concerning }: Rate,
  members: readonly PodObject[],
  others: readonly PodObject[],
  random: Random,
): Generator<ScheduledEvent> {
  const between = events / concerning;
  for (let i = 0, k = 0; i < seconds * events; i++) {
    const due = (i * 1000) / events;
    // In the middle of its slot, so that the last event has as much time as the others.
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
