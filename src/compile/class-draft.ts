import { bitLength } from '../lib/bit-length.ts';
import { once } from '../lib/once.ts';
import { isSameList } from '../lib/is-same-list.ts';
import { compareText } from '../lib/sort.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { NftSet } from '../nftables/ruleset.ts';
import type { GroupSet } from './group-sets.ts';
import { costOfPrefixes, prefixesOf, prefixesOfPort } from './interval-costs.ts';
import { countCovering } from './port-map.ts';
import { hasInterval, maxSinglePorts, mergePorts, portTexts, type PortRange } from './port-set.ts';
import { countPieces, type Rectangle } from './rectangles.ts';
import { namedTuples, withNumbers, type Bucket, type ClassRules } from './resolve.ts';
import { wholeFamily, type Groups } from './walk.ts';
import { rectanglesSet } from './set-builder.ts';
import { withSharedGroups, type ShapeLimits } from './shape-limits.ts';

/** The layout of a class before its sets and chains are built. */
export interface ClassDraft {
  readonly rules: ClassRules;
  /** `undefined` if the class allows all traffic. */
  readonly families: readonly FamilyDraft[] | undefined;
}

/** What an earlier draft was built to. */
interface KnownDrafts {
  readonly families: Readonly<Record<Family, { readonly draft: FamilyDraft }>> | undefined;
}

/** Peers and the ports that they may use. */
export interface Entry<Peers> {
  readonly peers: Peers;
  readonly ports: readonly PortRange[];
  /** Addresses among the peers that may not. */
  readonly unless?: NftSet | undefined;
  /** Blocks of addresses that may not, if the peers are everyone. */
  readonly holes?: readonly AddressRange[] | undefined;
}

/** The block of all addresses: no lookup needs to find them. */
export const everyoneOf: Readonly<Record<Family, readonly AddressRange[]>> = {
  ipv4: [wholeFamily.ipv4],
  ipv6: [wholeFamily.ipv6],
};

/** One family's part of a class, by kind of lookup. */
export interface FamilyDraft {
  readonly family: Family;
  readonly limits: ShapeLimits;
  /** By address, the ports that egress port names lead to. */
  readonly namedPorts: ReadonlyMap<string, ReadonlySet<string>>;
  /** Become tuples, or rectangles if a port is a range. */
  readonly members: readonly Entry<NftSet>[];
  readonly blocks: readonly Entry<readonly AddressRange[]>[];
  /** The rectangles of `blocks` and of `members` with a port range. */
  readonly writtenBlocks: () => readonly Blocks[];
  /** Too large for tuples: looked up behind their ports. */
  readonly pairedMembers: readonly Entry<NftSet>[];
  readonly pairedBlocks: readonly Entry<readonly AddressRange[]>[];
  /** Allowed on every protocol and port. */
  readonly anyMembers: readonly NftSet[];
  readonly anyBlocks: readonly Entry<readonly AddressRange[]>[];
  /** Addresses that blocks do not stand for: the `unless` of entries, also where a set is empty. */
  readonly excepts: readonly NftSet[];
  /** The work for what is behind ports, and for blocks that are not cut. It depends on no member. */
  readonly workBehindPorts: () => number;
  /** Number of tuples and rectangles. Cutting overlaps changes it little. */
  readonly written: number;
  /** Number of tuples among them. */
  readonly exact: number;
  /** Number of peers plus ports that `written` is the product of. */
  readonly named: number;
}

/** Rectangles of addresses and ports, for one interval set. */
interface Blocks {
  readonly ports: readonly PortRange[];
  readonly unless: NftSet | undefined;
  /** Upper bound for the number of pieces after cutting, plus about what their prefixes cost. */
  readonly work: number;
  /** Cuts overlaps and returns the set. */
  readonly set: () => NftSet;
}

/** @param known an earlier draft of a class with equal rules; parts that depend on no changed member are reused */
export function draftClass(
  given: ClassRules,
  groups: Groups,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known?: KnownDrafts,
): ClassDraft {
  const rules = withNumbers(given, groups);
  const { buckets, closedPorts } = rules;
  const isOpen = buckets.some((bucket) => bucket.everyone && !bucket.except && bucket.ports === 'any');
  // An `else` class needs chains even if it allows all traffic: without them, the class that leads to it would deny these packets.
  if (isOpen && closedPorts.length === 0 && rules.spec.role !== 'else') return { rules, families: undefined };
  const named = namedTuples(rules, groups);
  const within = (each: ShapeLimits): ClassDraft => {
    const drafts = families.map((family) =>
      draftFamily(family, rules, named, groupSet, each, known?.families?.[family].draft),
    );
    return { rules, families: drafts };
  };
  const draft = within(limits);
  const sumOf = (count: 'written' | 'named'): number => draft.families!.reduce((sum, each) => sum + each[count], 0);
  return sumOf('written') > Math.max(limits.maxClassElements, maxSinglePorts.ofTuples * sumOf('named'))
    ? within(withSharedGroups(limits))
    : draft;
}

/** Upper bound for the elements and rules that `buildClass` visits and creates. A rectangle costs 5 units, as an element with a range (docs/decisions/0014). */
export function workOf({ families: drafts = [] }: ClassDraft): number {
  return drafts.reduce((sum, draft) => sum + workOfFamily(draft), 0);
}

function workOfFamily(draft: FamilyDraft): number {
  const blocks = draft.writtenBlocks().reduce((sum, { work }) => sum + work, 0);
  return draft.exact + blocks + draft.workBehindPorts();
}

function draftFamily(
  family: Family,
  { buckets, openPorts, closedPorts }: ClassRules,
  allNamed: ReadonlyMap<string, ReadonlySet<string>>,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known: FamilyDraft | undefined,
): FamilyDraft {
  const allMembers: Entry<NftSet>[] = [];
  const allBlocks: Entry<readonly AddressRange[]>[] = [];
  const anyMembers: NftSet[] = [];
  const anyBlocks: Entry<readonly AddressRange[]>[] = [];
  const excepts: NftSet[] = [];
  for (const bucket of buckets) {
    const { ports, lists, everyone, except } = bucket;
    const sets = lists[limits.sharesGroups ? 'apart' : 'together'].map((list) => groupSet(family, list));
    const excepted = except && groupSet(family, except);
    if (excepted) excepts.push(excepted);
    const unless = excepted && excepted.elements.size > 0 ? excepted : undefined;
    // Ports that are open to everyone need no entry of their own.
    const isWritten = everyone && (ports === 'any' || except !== undefined);
    const holes = bucket.holes?.[family];
    const ranges = isWritten || holes ? everyoneOf[family] : bucket.ranges[family];
    const entry = { peers: ranges, ports: ports === 'any' ? noPorts : ports, unless, holes };
    const entries = ranges.length > 0 ? [entry] : [];
    if (ports === 'any') {
      anyMembers.push(...sets);
      anyBlocks.push(...entries);
    } else {
      for (const set of sets) allMembers.push(memberEntry(set, bucket, limits));
      allBlocks.push(...entries);
    }
  }
  const product = (count: number, ports: readonly PortRange[]): number => count * ports.length;
  const pairedMembers = largest(allMembers, limits, ({ peers, ports }) => {
    return hasInterval(ports) || product(peers.elements.size, ports) > limits.maxTuples ? peers.elements.size : 0;
  });
  const ofEveryone = allBlocks.filter(({ peers }) => peers === everyoneOf[family]);
  const someBlocks = without(allBlocks, ofEveryone);
  const largeBlocks = largest(someBlocks, limits, ({ peers, ports }) => {
    return product(peers.length, ports) > limits.maxTuples ? product(peers.length, ports) : 0;
  });
  const pairedBlocks = ofEveryone.length > 0 ? [...largeBlocks, ...ofEveryone] : largeBlocks;
  const [members, blocks] = [without(allMembers, pairedMembers), without(someBlocks, largeBlocks)];
  const namedPorts = new Map([...allNamed].filter(([address]) => familyOf(address) === family));
  const [written, exact, named] = countEntries(members, blocks, namedPorts);
  const ranged = members.filter(isRanged);
  const hasSameBlocks =
    known !== undefined &&
    isSameList(blocks, known.blocks, isSameEntry) &&
    isSameList(ranged, known.members.filter(isRanged), isSameEntry);
  const writtenBlocks = hasSameBlocks ? known.writtenBlocks : once(() => readBlocks(family, blocks, ranged));
  const workBehindPorts =
    hasSameBlocks &&
    isSameList(pairedMembers, known.pairedMembers, (a, b) => a.ports === b.ports) &&
    isSameList(pairedBlocks, known.pairedBlocks, isSameEntry) &&
    isSameList(anyBlocks, known.anyBlocks, isSameEntry)
      ? known.workBehindPorts
      : once(() => {
          const behind = [...pairedMembers, ...pairedBlocks].map(({ ports }) => ports);
          const ofBlocks = writtenBlocks().map(({ ports }) => ports);
          return (
            countCovering([openPorts, closedPorts, ...behind, ...ofBlocks]) +
            countPrefixes([...pairedBlocks, ...anyBlocks])
          );
        });
  return {
    ...{ family, limits, namedPorts, members, blocks, writtenBlocks },
    ...{
      pairedMembers,
      pairedBlocks,
      anyMembers,
      anyBlocks,
      excepts,
      workBehindPorts,
      written,
      exact,
      named,
    },
  };
}

const noPorts: readonly PortRange[] = [];

/** A port range becomes single ports if that makes few enough tuples. Returns the bucket's own arrays, so that drafts compare them by identity. */
function memberEntry(peers: NftSet, { ports, single }: Bucket, limits: ShapeLimits): Entry<NftSet> {
  const isFew = peers.elements.size * single.length <= limits.maxTuples;
  return { peers, ports: isFew ? single : (ports as readonly PortRange[]) };
}

/**
 * Chooses the entries with the largest weights, at most `maxSharedLookups`; never an entry with weight 0. The result's order does not depend on weights.
 * A chain's name is a hash of its lookups in order: another order would move all pods of the class to a new chain. For the same reason
 * weights are rounded to powers of two. So small changes do not change the choice, and no entry left out is twice as large as a chosen one.
 */
function largest<T extends Entry<unknown>>(
  entries: readonly T[],
  limits: ShapeLimits,
  weight: (entry: T) => number,
): T[] {
  const heavy = entries
    .filter((entry) => weight(entry) > 0)
    .map((entry) => ({ entry, weight: bitLength(weight(entry)), text: portTexts(entry.ports).join() }))
    .sort((a, b) => compareText(a.text, b.text));
  const chosen = new Set(heavy.toSorted((a, b) => b.weight - a.weight).slice(0, limits.maxSharedLookups));
  return heavy.filter((each) => chosen.has(each)).map((each) => each.entry);
}

function without<T>(entries: readonly T[], paired: readonly T[]): readonly T[] {
  const others = new Set(paired);
  return paired.length === 0 ? entries : entries.filter((entry) => !others.has(entry));
}

function isSameEntry<Peers>(a: Entry<Peers>, b: Entry<Peers>): boolean {
  return a.peers === b.peers && a.ports === b.ports && a.unless?.name === b.unless?.name && a.holes === b.holes;
}

function isRanged({ ports, peers }: Entry<NftSet>): boolean {
  return hasInterval(ports) && peers.elements.size > 0;
}

function countEntries(
  members: FamilyDraft['members'],
  blocks: FamilyDraft['blocks'],
  namedPorts: FamilyDraft['namedPorts'],
): [written: number, exact: number, named: number] {
  let [written, exact, named] = [0, 0, 0];
  const count = (peers: number, ports: number, isExact: boolean): void => {
    written += peers * ports;
    if (isExact) exact += peers * ports;
    named += peers + ports;
  };
  for (const { peers, ports } of members) count(peers.elements.size, ports.length, !hasInterval(ports));
  for (const { peers, ports } of blocks) count(peers.length, ports.length, false);
  for (const ports of namedPorts.values()) count(1, ports.size, true);
  return [written, exact, named];
}

function countPrefixes(entries: FamilyDraft['pairedBlocks']): number {
  const ranges = entries.flatMap(({ peers, holes = [] }) => [...peers, ...holes]);
  return ranges.reduce((sum, range) => sum + 5 + prefixesOf(range), 0);
}

/** The blocks of one set may have one set of exceptions. */
function readBlocks(family: Family, blocks: FamilyDraft['blocks'], ranged: readonly Entry<NftSet>[]): Blocks[] {
  const guarded = Map.groupBy(blocks, ({ unless }) => unless?.name);
  const plain = guarded.get(undefined) ?? [];
  guarded.delete(undefined);
  return [
    readUnion(family, plain, ranged, undefined),
    ...Array.from(guarded.values(), (of) => readUnion(family, of, [], of[0]!.unless)),
  ];
}

function readUnion(
  family: Family,
  blocks: FamilyDraft['blocks'],
  ranged: readonly Entry<NftSet>[],
  unless: NftSet | undefined,
): Blocks {
  const rectangles: Rectangle[] = [
    ...blocks.flatMap(({ peers, ports }) => peers.map((range) => ({ range, ports }))),
    ...ranged.flatMap(({ peers, ports }) =>
      [...peers.elements].map((address) => ({ range: singleAddress(family, address), ports })),
    ),
  ];
  // An estimate before cutting. Overlaps change it little.
  const prefixes = rectangles.reduce(
    (sum, { range, ports }) => ports.reduce((each, port) => each + prefixesOf(range) + prefixesOfPort(port), sum),
    0,
  );
  const work = countPieces(rectangles) + costOfPrefixes(prefixes, family);
  return {
    ports: mergePorts([...ranged, ...blocks].flatMap(({ ports }) => ports)),
    unless,
    work,
    set: once(() => {
      const set = rectanglesSet(family, rectangles);
      rectangles.length = 0;
      return set;
    }),
  };
}

function singleAddress(family: Family, address: string): AddressRange {
  const { value } = parseAddress(address)!;
  return { family, first: value, last: value };
}
