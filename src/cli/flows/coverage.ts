import type { ClockDifference } from '../../flows/align.ts';
import type { FlowHistory } from '../../flows/kept-flow.ts';
import { plural } from '../../lib/plural.ts';
import type { SeenCluster } from './read-traffic.ts';

/** Lines about single nodes, at most. */
const mostLines = 10;

export interface Coverage {
  /** Minutes that all agents which answered have kept, of those that were asked for. */
  readonly minutes: number;
  /** What cannot have been seen, in lines for people. */
  readonly warnings: readonly string[];
}

/** How much of the time that was asked for, and of the nodes, the flows cover. */
export function findCoverage({
  histories,
  failures,
  clocks,
  minutes,
}: Pick<SeenCluster, 'histories' | 'failures' | 'clocks' | 'minutes'>): Coverage {
  const missing = failures.map(({ node, why }) => `the flows of node ${node} are missing: ${why}`);
  const more =
    missing.length > mostLines ? [`the flows of ${plural(missing.length - mostLines, 'more node')} are missing`] : [];
  const [shortest] = findShort(histories, minutes);
  return {
    minutes: shortest ? keptFor(shortest) : minutes,
    warnings: [
      ...missing.slice(0, mostLines),
      ...more,
      ...describeShort(histories, minutes),
      ...describeClocks(clocks),
    ],
  };
}

/** The shortest first. */
function findShort(histories: readonly FlowHistory[], minutes: number): FlowHistory[] {
  return histories.filter((each) => keptFor(each) < minutes).sort((a, b) => keptFor(a) - keptFor(b));
}

/** A line about agents that have kept flows for less than these minutes. */
export function describeShort(histories: readonly FlowHistory[], minutes: number): string[] {
  const [first, ...others] = findShort(histories, minutes);
  if (!first) return [];
  const rest =
    others.length > 0 ? `, and ${plural(others.length, 'other agent')} for less than ${plural(minutes, 'minute')}` : '';
  return [`the agent of node ${first.node} has kept flows for ${plural(keptFor(first), 'minute')} only${rest}`];
}

export function describeClocks(clocks: readonly ClockDifference[]): string[] {
  const rest = clocks.length - mostLines;
  return [
    ...clocks.slice(0, mostLines).map(({ node, ahead, of }) => {
      const side = ahead > 0 ? 'ahead of' : 'behind';
      return `the clock of node ${node} is ${plural(Math.abs(ahead), 'minute')} ${side} that of node ${of}: its flows are shown by the clock of ${of}`;
    }),
    ...(rest > 0 ? [`the clocks of ${plural(rest, 'more node')} differ, too`] : []),
  ];
}

/** Minutes. */
export function keptFor({ now, since }: FlowHistory): number {
  return Math.max(0, now - since);
}
