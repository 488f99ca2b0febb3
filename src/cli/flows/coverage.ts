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
  minutes,
}: Pick<SeenCluster, 'histories' | 'failures' | 'minutes'>): Coverage {
  const missing = failures.map(({ node, why }) => `the flows of node ${node} are missing: ${why}`);
  const more =
    missing.length > mostLines ? [`the flows of ${plural(missing.length - mostLines, 'more node')} are missing`] : [];
  const short = histories.filter((each) => keptFor(each) < minutes).sort((a, b) => keptFor(a) - keptFor(b));
  const [first, ...others] = short;
  const late = first
    ? [
        `the agent of node ${first.node} has kept flows for ${plural(keptFor(first), 'minute')} only${others.length > 0 ? `, and ${plural(others.length, 'other agent')} for less than ${plural(minutes, 'minute')}` : ''}`,
      ]
    : [];
  return {
    minutes: first ? keptFor(first) : minutes,
    warnings: [...missing.slice(0, mostLines), ...more, ...late],
  };
}

function keptFor({ now, since }: FlowHistory): number {
  return Math.max(0, now - since);
}
