import { keptMinutes } from './flow-fold.ts';
import type { FlowHistory, KeptFlow } from './kept-flow.ts';

/** Agents are asked one after the other, and a minute can end meanwhile. */
const toleratedMinutes = 2;

/** A node whose clock differs from that of another one. */
export interface ClockDifference {
  readonly node: string;
  /** Minutes that it is ahead of `of`; negative: behind. */
  readonly ahead: number;
  readonly of: string;
}

/**
 * Where the clocks of nodes differ, shifts what their agents have kept to one clock: the median one, or the later one of two, since most wrong clocks lag. Drops minutes
 * that an agent cannot know. So the result has one hour at most, however wrong a clock is.
 */
export function alignHistories(histories: readonly FlowHistory[]): {
  readonly histories: readonly FlowHistory[];
  readonly differences: readonly ClockDifference[];
} {
  const byClock = histories.toSorted((a, b) => a.now - b.now);
  const median = byClock[Math.floor(byClock.length / 2)];
  if (!median) return { histories, differences: [] };
  const differences = byClock
    .map(({ node, now }) => ({ node, ahead: now - median.now, of: median.node }))
    .filter(({ ahead }) => Math.abs(ahead) > toleratedMinutes);
  return { histories: histories.map((each) => bound(each, median.now)), differences };
}

function bound({ now, since, flows, ...rest }: FlowHistory, clock: number): FlowHistory {
  const isRight = Math.abs(now - clock) <= toleratedMinutes;
  const [shift, end] = isRight ? [0, now] : [clock - now, clock];
  const oldest = end - keptMinutes + 1;
  const move = (minute: number): number => Math.min(minute + shift, end);
  return {
    ...rest,
    now: end,
    since: Math.max(move(since), oldest - 1),
    flows: flows.flatMap((flow): KeptFlow[] => {
      const last = move(flow.last);
      if (last < oldest) return [];
      const minutes = flow.minutes
        .map(([minute, count]) => [minute + shift, count] as const)
        .filter(([minute]) => minute >= oldest && minute <= end);
      return [{ ...flow, first: Math.min(move(flow.first), last), last, minutes }];
    }),
  };
}
