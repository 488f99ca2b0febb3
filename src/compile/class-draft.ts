import { bitLength } from '../lib/bit-length.ts';
import { once } from '../lib/once.ts';
import { isSameList } from '../lib/is-same-list.ts';
import { compareText } from '../lib/sort.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { NftSet } from '../nftables/ruleset.ts';
import type { GroupSet } from './group-sets.ts';
import { costOfPrefixes, prefixesOf, prefixesOfPort } from './interval-rules.ts';
import { countCovering } from './port-map.ts';
import { hasInterval, maxSinglePorts, mergePorts, portTexts, type PortRange } from './port-set.ts';
import { countPieces, type Rectangle } from './rectangles.ts';
import { namedTuples, type Bucket, type ClassRules, type Groups } from './resolve.ts';
import { rectanglesSet } from './set-builder.ts';
import { withSharedGroups, type ShapeLimits } from './shape-limits.ts';

/** The layout of a class before its sets and chains are built. */
export interface ClassDraft {
  readonly rules: ClassRules;
  /** `undefined` if the class allows all traffic. */
  readonly families: readonly FamilyDraft[] | undefined;
}

/** Peers and the ports that they may use. */
export interface Entry<Peers> {
  readonly peers: Peers;
  readonly ports: readonly PortRange[];
}

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
  readonly writtenBlocks: () => Blocks;
  /** Too large for tuples: looked up behind their ports. */
  readonly pairedMembers: readonly Entry<NftSet>[];
  readonly pairedBlocks: readonly Entry<readonly AddressRange[]>[];
  /** Allowed on every protocol and port. */
  readonly anyMembers: readonly NftSet[];
  readonly anyBlocks: readonly AddressRange[];
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
  /** Upper bound for the number of pieces after cutting, plus about what their prefixes cost. */
  readonly work: number;
  /** Cuts overlaps and returns the set. */
  readonly set: () => NftSet;
}

/** @param known an earlier draft of a class with equal rules; parts that depend on no changed member are reused */
export function draftClass(
  rules: ClassRules,
  groups: Groups,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known?: Readonly<Record<Family, { readonly draft: FamilyDraft }>>,
): ClassDraft {
  const { buckets } = rules;
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any')) return { rules, families: undefined };
  const named = namedTuples(rules, groups);
  const within = (each: ShapeLimits): ClassDraft => {
    const drafts = families.map((family) => draftFamily(family, rules, named, groupSet, each, known?.[family].draft));
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
  const blocks = draft.writtenBlocks();
  return draft.exact + blocks.work + draft.workBehindPorts();
}

function draftFamily(
  family: Family,
  { buckets, openPorts }: ClassRules,
  allNamed: ReadonlyMap<string, ReadonlySet<string>>,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known: FamilyDraft | undefined,
): FamilyDraft {
  const allMembers: Entry<NftSet>[] = [];
  const allBlocks: Entry<readonly AddressRange[]>[] = [];
  let anyMembers: readonly NftSet[] = [];
  let anyBlocks = noRanges;
  for (const bucket of buckets) {
    const { ports, lists } = bucket;
    const sets = lists[limits.sharesGroups ? 'apart' : 'together'].map((list) => groupSet(family, list));
    const ranges = bucket.ranges[family];
    if (ports === 'any') [anyMembers, anyBlocks] = [sets, ranges];
    else {
      for (const set of sets) allMembers.push(memberEntry(set, bucket, limits));
      if (ranges.length > 0) allBlocks.push({ peers: ranges, ports });
    }
  }
  const product = (count: number, ports: readonly PortRange[]): number => count * ports.length;
  const pairedMembers = largest(allMembers, limits, ({ peers, ports }) => {
    return hasInterval(ports) || product(peers.elements.size, ports) > limits.maxTuples ? peers.elements.size : 0;
  });
  const pairedBlocks = largest(allBlocks, limits, ({ peers, ports }) => {
    return product(peers.length, ports) > limits.maxTuples ? product(peers.length, ports) : 0;
  });
  const [members, blocks] = [without(allMembers, pairedMembers), without(allBlocks, pairedBlocks)];
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
    anyBlocks === known.anyBlocks
      ? known.workBehindPorts
      : once(() => {
          const behind = [...pairedMembers, ...pairedBlocks].map(({ ports }) => ports);
          return countCovering([openPorts, ...behind, writtenBlocks().ports]) + countPrefixes(pairedBlocks, anyBlocks);
        });
  return {
    ...{ family, limits, namedPorts, members, blocks, writtenBlocks },
    ...{ pairedMembers, pairedBlocks, anyMembers, anyBlocks, workBehindPorts, written, exact, named },
  };
}

const noRanges: readonly AddressRange[] = [];

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
  return a.peers === b.peers && a.ports === b.ports;
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

function countPrefixes(paired: FamilyDraft['pairedBlocks'], anyBlocks: readonly AddressRange[]): number {
  const ranges = [...paired.flatMap(({ peers }) => peers), ...anyBlocks];
  return ranges.reduce((sum, range) => sum + 5 + prefixesOf(range), 0);
}

function readBlocks(family: Family, blocks: FamilyDraft['blocks'], ranged: readonly Entry<NftSet>[]): Blocks {
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
