import {
  keyOfEnd,
  places,
  type FlowEnd,
  type FlowHistory,
  type KeptFlow,
  type KeptProtocol,
  type Place,
  type SeenVerdict,
} from './kept-flow.ts';

/** Connections between two ends on one port, merged over all nodes. Minutes count from 1970. */
export interface Traffic {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly protocol: KeptProtocol;
  readonly port?: number | 'other';
  readonly verdict: SeenVerdict;
  /** Connections that began in the time. 0: all of them began before, and at least one is still open. */
  readonly connections: number;
  readonly first: number;
  readonly last: number;
  /** New connections by minute, ascending. */
  readonly minutes: readonly (readonly [minute: number, connections: number])[];
}

interface Group {
  readonly flow: KeptFlow;
  readonly counts: Readonly<Record<Place, Map<number, number>>>;
  first: number;
  last: number;
}

/**
 * Merges what the agents of nodes have kept, the most connections first. If the pods of both ends are on different nodes, both agents report a connection: then the
 * larger of the two counts is right.
 * @param minutes how far back; each agent's own clock counts
 */
export function mergeHistories(histories: readonly FlowHistory[], minutes: number): Traffic[] {
  const groups = new Map<string, Group>();
  for (const { now, flows } of histories) {
    for (const flow of flows) {
      if (flow.last <= now - minutes) continue;
      const { from, to, protocol, port, verdict } = flow;
      const key = [keyOfEnd(from), keyOfEnd(to), protocol, port, verdict].join('|');
      let group = groups.get(key);
      if (!group) {
        const counts = { source: new Map(), destination: new Map(), both: new Map() };
        groups.set(key, (group = { flow, counts, first: flow.first, last: flow.last }));
      }
      [group.first, group.last] = [Math.min(group.first, flow.first), Math.max(group.last, flow.last)];
      const counts = group.counts[flow.local];
      for (const [minute, count] of flow.minutes) {
        if (minute > now - minutes) counts.set(minute, (counts.get(minute) ?? 0) + count);
      }
    }
  }
  return Array.from(groups.values(), describe).sort((a, b) => b.connections - a.connections);
}

function describe({ flow, counts, first, last }: Group): Traffic {
  const { from, to, protocol, port, verdict } = flow;
  const totals = Object.fromEntries(places.map((place) => [place, sum(counts[place].values())])) as Record<
    Place,
    number
  >;
  const crossing = totals.source >= totals.destination ? counts.source : counts.destination;
  const minutes = new Map(counts.both);
  for (const [minute, count] of crossing) minutes.set(minute, (minutes.get(minute) ?? 0) + count);
  return {
    ...{ from, to, protocol, ...(port !== undefined && { port }), verdict },
    connections: sum(minutes.values()),
    ...{ first, last, minutes: [...minutes].sort(([a], [b]) => a - b) },
  };
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
