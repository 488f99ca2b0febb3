import type { Decision } from '../evaluator/decision.ts';
import type { SeenVerdict } from '../flows/kept-flow.ts';
import { verdicts as seenVerdicts } from '../flows/kept-flow.ts';
import type { Traffic } from '../flows/traffic.ts';
import { edgeId, joinVerdicts, portName, type Line, type Verdicts } from './lines.ts';
import type { EdgePort, MapChange, MapEdge, MapVerdict } from './policy-map.ts';

/** First and last minute since 1970. */
export type Minutes = readonly [first: number, last: number];

/** The edges of lines that were seen in the time, or that are possible. */
export function drawEdges(
  lines: readonly Line[],
  now: Verdicts,
  after: Verdicts | undefined,
  minutes: Minutes | undefined,
): MapEdge[] {
  const drawn = lines.flatMap((line) => {
    const traffic = within(line.traffic, minutes);
    return line.traffic.length > 0 && traffic.length === 0 ? [] : [{ line, traffic }];
  });
  const edges = Map.groupBy(drawn, ({ line }) => edgeId(line.fromSpot.id, line.toSpot.id));
  return Array.from(edges, ([id, all]): MapEdge => {
    const { fromSpot, toSpot } = all[0]!.line;
    const ports = [...Map.groupBy(all, ({ line }) => portName(line))]
      .map(([name, group]) => drawPort(name, group, now, after))
      .sort((a, b) => connectionsOf(b) - connectionsOf(a));
    return { ...{ id, from: fromSpot.id, to: toSpot.id }, ...joinPorts(ports) };
  }).sort((a, b) => b.connections - a.connections);
}

/** The sums and the joined verdict of the ports of an edge. */
export function joinPorts(ports: readonly EdgePort[]): Pick<MapEdge, 'ports' | 'connections' | 'verdict' | 'change'> {
  const change = joinChanges(ports.map((port) => port.change));
  return {
    ports,
    connections: ports.reduce((sum, port) => sum + connectionsOf(port), 0),
    verdict: joinVerdicts(ports.map(({ verdict }) => verdict)),
    ...(change && { change }),
  };
}

/** Ports of one name, of several edges that are drawn as one. */
export function mergePorts(ports: readonly EdgePort[]): EdgePort[] {
  return [...Map.groupBy(ports, ({ name }) => name)]
    .map(([name, [first, ...others]]): EdgePort => {
      if (others.length === 0) return first!;
      const all = [first!, ...others];
      const afters = all.flatMap(({ after }) => after ?? []);
      const change = joinChanges(all.map((port) => port.change));
      return {
        name,
        ...timesOf(all.flatMap(({ traffic }) => traffic)),
        seen: sumSeen(all.map(({ seen }) => seen)),
        verdict: joinVerdicts(all.map(({ verdict }) => verdict)),
        ...(afters.length > 0 && { after: joinVerdicts(afters) }),
        ...(change && { change }),
        traffic: all.flatMap(({ traffic }) => traffic),
      };
    })
    .sort((a, b) => connectionsOf(b) - connectionsOf(a));
}

function connectionsOf({ seen }: Pick<EdgePort, 'seen'>): number {
  return seenVerdicts.reduce((sum, verdict) => sum + (seen[verdict] ?? 0), 0);
}

/** The traffic of a time, with its counts in this time. A connection that was open in it counts as 0; a denied one was never open. */
export function within(traffic: readonly Traffic[], minutes: Minutes | undefined): readonly Traffic[] {
  if (!minutes) return traffic;
  const [first, last] = minutes;
  return traffic.flatMap((each): Traffic[] => {
    if (each.last < first || each.first > last) return [];
    const counts = each.minutes.filter(([minute]) => minute >= first && minute <= last);
    const connections = counts.reduce((sum, [, count]) => sum + count, 0);
    if (connections === 0 && each.verdict === 'denied') return [];
    return [{ ...each, connections, minutes: counts }];
  });
}

function drawPort(
  name: string,
  group: readonly { readonly line: Line; readonly traffic: readonly Traffic[] }[],
  now: Verdicts,
  after: Verdicts | undefined,
): EdgePort {
  const traffic = group.flatMap((each) => each.traffic);
  const seen = sumSeen(traffic.map(({ verdict, connections }) => ({ [verdict]: connections })));
  const verdictOf = (of: Verdicts): MapVerdict => joinVerdicts(group.map(({ line }) => of.of(line)));
  const change = after && joinChanges(group.map(({ line }) => changeOf(now.decide(line), after.decide(line))));
  return {
    ...{ name, seen, ...timesOf(traffic), verdict: verdictOf(now) },
    ...(after && { after: verdictOf(after) }),
    ...(change && { change }),
    traffic,
  };
}

function timesOf(traffic: readonly Traffic[]): Pick<EdgePort, 'first' | 'last'> {
  if (traffic.length === 0) return { first: 0, last: 0 };
  return {
    first: traffic.reduce((least, { first }) => Math.min(least, first), Infinity),
    last: traffic.reduce((most, { last }) => Math.max(most, last), 0),
  };
}

function sumSeen(parts: readonly EdgePort['seen'][]): EdgePort['seen'] {
  const sums: Partial<Record<SeenVerdict, number>> = {};
  for (const part of parts) {
    for (const verdict of seenVerdicts) {
      const count = part[verdict];
      if (count !== undefined) sums[verdict] = (sums[verdict] ?? 0) + count;
    }
  }
  return sums;
}

/** The decisions of one line before and after, pair by pair. What cannot be judged at one of the times has not changed. */
function changeOf(before: readonly Decision[], after: readonly Decision[]): MapChange | undefined {
  return joinChanges(
    before.map(({ verdict: was }, index) => {
      const is = after[index]!.verdict;
      if (was === 'allowed' && is === 'denied') return 'cut';
      return was === 'denied' && is === 'allowed' ? 'opened' : undefined;
    }),
  );
}

function joinChanges(changes: readonly (MapChange | undefined)[]): MapChange | undefined {
  const [first, ...others] = new Set(changes.filter((each) => each !== undefined));
  return others.length > 0 ? 'both' : first;
}
