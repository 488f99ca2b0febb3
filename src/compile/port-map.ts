import { shortHash } from '../lib/hash.ts';
import { compareText } from '../lib/sort.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, Element, ElementVerdict, VerdictMap } from '../nftables/ruleset.ts';
import { allowsText, lookupsChain, type Allow, type Counting } from './allow.ts';
import { readingName, type Reading } from './names.ts';
import {
  countPorts,
  mergePorts,
  mostPorts,
  portRangeText,
  portSetText,
  singlePorts,
  type PortRange,
} from './port-set.ts';

/** Ports, and who may use them. */
export interface PortEntry {
  readonly ports: readonly PortRange[];
  /** Looks up the peers; everyone without. */
  readonly allow?: Allow;
}

/** Ports that lead to the same look-ups. */
interface Segment {
  readonly ports: readonly PortRange[];
  /** All may use them where this is undefined. */
  readonly allows: readonly Allow[] | undefined;
}

/** What leads on by the port: exact, and where ranges are too wide to be written out, intervals. */
export interface PortMaps {
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
  /** Names of the sets that these look in: none for ports that all may use. */
  readonly reads: ReadonlySet<string>;
}

/**
 * Each port leads to look-ups of just the peers that may use it, so that what a packet meets grows with those alone.
 * @param rest what is looked up where these peers do not have the packet's: no way leads back
 */
export function portMaps(
  direction: Direction,
  reading: Reading,
  entries: readonly PortEntry[],
  rest: readonly Allow[],
  counting?: Counting,
): PortMaps {
  const segments = segmentsOf(entries);
  const total = segments.reduce((sum, { ports }) => sum + countPorts(ports), 0);
  const widest = total <= mostPorts.ofMaps ? total : mostPorts.ofTuples;
  const exact = new Map<Element, ElementVerdict>();
  const intervals = new Map<Element, ElementVerdict>();
  const chains: Chain[] = [];
  const reads = new Set<string>();
  for (const { ports, allows } of segments) {
    let verdict: ElementVerdict = { kind: 'return' };
    if (allows) {
      const chain = lookupsChain(direction, reading, { counting, allows, rest });
      chains.push(chain);
      for (const { set } of allows) reads.add(set.name);
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
  const name = readingName(`ports-${shortHash([...text].join('\n'))}`, reading);
  return { name, key: ['inet_proto', 'inet_service'], interval, elements };
}

/** All that the maps depend on but direction, reading and rest. */
export function entriesText(entries: readonly PortEntry[]): string {
  return entries.map(({ ports, allow }) => `${portSetText(ports)}: ${allow ? allowsText([allow]) : 'all'}`).join('\n');
}

/** Cuts overlaps apart, and puts together what leads to the same look-ups. */
function segmentsOf(entries: readonly PortEntry[]): Segment[] {
  const found = new Map<string, { ports: PortRange[]; covering: readonly PortEntry[] }>();
  for (const { port, covering } of cut(entries)) {
    const isOpen = covering.some((index) => !entries[index]!.allow);
    const key = isOpen ? 'all' : covering.join();
    const known = found.get(key);
    if (known) known.ports.push(port);
    else found.set(key, { ports: [port], covering: covering.map((index) => entries[index]!) });
  }
  return [...found].map(([key, { ports, covering }]) => ({
    ports: mergePorts(ports),
    allows: key === 'all' ? undefined : covering.map(({ allow }) => allow!),
  }));
}

/** At most how many rules and elements there are behind ports: to be known before any is made. */
export function countCovering(lists: readonly (readonly PortRange[])[]): number {
  let [count, inside] = [0, 0];
  for (const { piece, change } of bordersOf(lists)) {
    inside += change;
    if (piece && inside > 0) count += inside + Math.min(countPorts([piece]), mostPorts.ofTuples);
  }
  return count;
}

/** Disjoint ranges, each with the entries that hold it, by index. */
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
  /** Of the list that begins or ends here. */
  readonly index: number;
  readonly change: 1 | -1;
  /** From here to the next border, if there is anything between. */
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
