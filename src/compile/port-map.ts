import { contentHash } from '../lib/hash.ts';
import { compareText } from '../lib/sort.ts';
import type { Chain, Element, ElementVerdict, VerdictMap } from '../nftables/ruleset.ts';
import { allowText, lookupsChain, setsOfAllow, verdictOf, type Allow, type Lookups } from './allow.ts';
import type { ClassSpec } from './class-spec.ts';
import { readingName, type Reading } from './names.ts';
import { countPorts, mergePorts, maxSinglePorts, portRangeText, singlePorts, type PortRange } from './port-set.ts';

/** Ports and the peers that may use them. */
export interface PortEntry {
  readonly ports: readonly PortRange[];
  /** The lookup of the peers; missing if everyone may use the ports. `closed`: nobody else may use them. */
  readonly allow?: Allow | 'closed';
}

/** Ports that lead to the same lookups. */
interface Segment {
  readonly ports: readonly PortRange[];
  /** `undefined` if everyone may use the ports. */
  readonly allows: readonly Allow[] | undefined;
  /** Lookups for every port do not apply to these ports. */
  readonly isClosed: boolean;
}

/** Verdict maps by port: one with exact ports, and one with intervals for ranges that are too wide for single ports. */
export interface PortMaps {
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
  /** Names of the sets that `chains` look up. */
  readonly reads: ReadonlySet<string>;
}

/**
 * Each port leads to lookups of only the peers that may use it, so a packet pays for those only.
 * @param then lookups after these. A packet does not return from the map's chains to the class chain, so each of them ends with `rest` too.
 */
export function portMaps(
  spec: Pick<ClassSpec, 'direction' | 'role'>,
  reading: Reading,
  entries: readonly PortEntry[],
  { rest, allowed, deny }: Pick<Lookups, 'rest' | 'allowed' | 'deny'>,
): PortMaps {
  const segments = segmentsOf(entries);
  const total = segments.reduce((sum, { ports }) => sum + countPorts(ports), 0);
  const widest = total <= maxSinglePorts.ofMaps ? total : maxSinglePorts.ofTuples;
  const exact = new Map<Element, ElementVerdict>();
  const intervals = new Map<Element, ElementVerdict>();
  const chains: Chain[] = [];
  const reads = new Set<string>();
  for (const { ports, allows, isClosed } of segments) {
    let verdict: ElementVerdict = verdictOf(allowed);
    if (allows) {
      const chain = lookupsChain(spec, reading, { allows, rest: isClosed ? [] : rest, allowed, deny });
      chains.push(chain);
      for (const { name } of allows.flatMap(setsOfAllow)) reads.add(name);
      verdict = { kind: 'goto', chain: chain.name };
    }
    for (const port of ports) {
      const isExact = countPorts([port]) <= widest;
      for (const each of isExact ? singlePorts([port], widest) : [port]) {
        (isExact ? exact : intervals).set(portRangeText(each), verdict);
      }
    }
  }
  const maps = [portMap(exact, false, reading), portMap(intervals, true, reading)];
  return { maps: maps.filter(({ elements }) => elements.size > 0), chains, reads };
}

/** Named by content. */
function portMap(elements: ReadonlyMap<Element, ElementVerdict>, interval: boolean, reading: Reading): VerdictMap {
  const text = elements.entries().map(([port, verdict]) => `${port} ${'chain' in verdict ? verdict.chain : ''}`);
  const name = readingName(`ports-${contentHash([...text].join('\n'))}`, reading);
  return { name, key: ['inet_proto', 'inet_service'], interval, elements };
}

/** Cuts overlapping port ranges, and merges ports with the same lookups. */
function segmentsOf(entries: readonly PortEntry[]): Segment[] {
  const found = new Map<string, { ports: PortRange[]; covering: readonly PortEntry[] }>();
  for (const { port, covering } of cut(entries)) {
    const isOpen = covering.some((index) => !entries[index]!.allow);
    const key = isOpen ? 'all' : covering.join();
    const known = found.get(key);
    if (known) known.ports.push(port);
    else found.set(key, { ports: [port], covering: covering.map((index) => entries[index]!) });
  }
  return [...found].map(([key, { ports, covering }]) => {
    const allows = covering.flatMap(({ allow }) => (allow === undefined || allow === 'closed' ? [] : [allow]));
    const different = [...new Map(allows.map((allow) => [allowText(allow), allow])).values()];
    const isClosed = covering.some(({ allow }) => allow === 'closed');
    return { ports: mergePorts(ports), allows: key === 'all' ? undefined : different, isClosed };
  });
}

/** Upper bound for the rules and elements of `portMaps`, without building them. */
export function countCovering(lists: readonly (readonly PortRange[])[]): number {
  let [count, inside] = [0, 0];
  for (const { piece, change } of bordersOf(lists)) {
    inside += change;
    if (piece && inside > 0) count += inside + Math.min(countPorts([piece]), maxSinglePorts.ofTuples);
  }
  return count;
}

/** Disjoint ranges, each with the indexes of the entries that contain it. */
function cut(entries: readonly PortEntry[]): { port: PortRange; covering: readonly number[] }[] {
  const pieces: { port: PortRange; covering: readonly number[] }[] = [];
  const inside = new Set<number>();
  for (const { piece, index, change } of bordersOf(entries.map(({ ports }) => ports))) {
    if (change > 0) inside.add(index);
    else inside.delete(index);
    if (piece && inside.size > 0) pieces.push({ port: piece, covering: [...inside].sort((a, b) => a - b) });
  }
  return pieces;
}

interface Border {
  /** The list with a range that begins (1) or ends (-1) here. */
  readonly index: number;
  readonly change: 1 | -1;
  /** The ports from here to the next border; `undefined` if there are none. */
  readonly piece: PortRange | undefined;
}

function* bordersOf(lists: readonly (readonly PortRange[])[]): Generator<Border> {
  const ends = lists.flatMap((ports, index) =>
    ports.flatMap(({ protocol, first, last }) => [
      { protocol, at: first, index, change: 1 as const },
      { protocol, at: last + 1, index, change: -1 as const },
    ]),
  );
  ends.sort((a, b) => compareText(a.protocol, b.protocol) || a.at - b.at);
  for (const [i, { protocol, at, index, change }] of ends.entries()) {
    const next = ends[i + 1];
    const isEmpty = !next || next.protocol !== protocol || next.at === at;
    yield { index, change, piece: isEmpty ? undefined : { protocol, first: at, last: next.at - 1 } };
  }
}
