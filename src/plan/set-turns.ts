import type { StageName } from '../nftables/ruleset.ts';
import type { TableDifference } from './difference.ts';
import { firstEdition } from './editions.ts';
import { sameVerdict } from './reads.ts';

/** The stages in which the elements of a set come and go. */
export interface Turns {
  readonly added: StageName;
  readonly removed: StageName;
}

/**
 * Most sets allow: what comes belongs to switch, and what goes to break. ClusterNetworkPolicies judge a packet once more after NetworkPolicies, with sets of
 * their own (docs/decisions/0036), and one change may touch both. Let a packet pass if N ? R : A holds, where N is what NetworkPolicies allow, R what the rest does not
 * deny of that (`allowed-`), and A what it accepts of all others (`else-`). A packet in A is in R too.
 *
 * - R shrinks in switch, with everything that N and A gain, and grows in open, after N and A have shrunk. Else what N lost could meet what R gained, though
 *   neither state passes it.
 * - A grows in switch and shrinks in break, as N does. Break waits for a shrinking A: a packet that has missed what N gains must find itself in A.
 *
 * `except` sets deny, so they shrink what they guard when they grow. If N can lose nothing, R may grow at once.
 */
export function turnsOf(setName: string, isNarrower: boolean): Turns {
  const name = firstEdition(setName);
  if (name.startsWith('allowed-except')) return { added: 'switch', removed: 'open' };
  if (name.startsWith('allowed-')) return { added: isNarrower ? 'open' : 'switch', removed: 'switch' };
  if (name.startsWith('else-except')) return { added: 'break', removed: 'switch' };
  return { added: 'switch', removed: 'break' };
}

/**
 * The turns of `clear`, which comes first where a change before was interrupted. What is held then may be A of two states with R of neither, so that A has what R has not.
 * If A kept it after the switch, a packet that N misses now could pass, though neither state passes it. So A loses first what the desired state (D) does not
 * have. From then on:
 *
 * - What N misses meets a part of the desired A. D passes it, for it is in the desired R too.
 * - What N hits meets what is in the held R and in the desired R, until N has shrunk. The state whose N hits it passes it.
 *
 * The switch need not wait for this stage. A packet that N has missed before it meets either the held A, as in the held state, or a part of the desired A.
 *
 * A packet that the held A passes and the desired N would pass may be lost until open. It never passes without right.
 */
export function clearingTurns(setName: string): Partial<Turns> {
  const name = firstEdition(setName);
  if (name.startsWith('else-except')) return { added: 'clear' };
  return isOfElse(name) ? { removed: 'clear' } : {};
}

/**
 * Whether the set can only make an address that comes or goes with the change lose packets: what `allowed-` allows is never more than in the state whose class a
 * packet meets. For an address that goes, R shrinks in switch, and grows in open, when no packet has its class any more. For one that comes, R has shrunk when
 * packets meet the class, and grows later. So a packet passes N ? R : A with R too small only, and nothing passes that neither state passes.
 */
export function onlyLoses(setName: string): boolean {
  return firstEdition(setName).startsWith('allowed-');
}

/** Whether what is left to break lets ClusterNetworkPolicies accept less. */
export function isOfElse(setName: string): boolean {
  return setName.startsWith('else-');
}

/** Whether the change may take from N or A: an element goes from a set whose removals belong to break, or a pod goes or moves to another class. */
export function narrows({ sets, maps }: TableDifference): boolean {
  return (
    sets.changed.some(
      ({ after: { name }, removed }) => removed.length > 0 && turnsOf(name, true).removed === 'break',
    ) ||
    maps.changed.some(({ before, after }) => {
      return before.elements.entries().some(([key, verdict]) => {
        const now = after.elements.get(key);
        return !now || !sameVerdict(now, verdict);
      });
    })
  );
}
