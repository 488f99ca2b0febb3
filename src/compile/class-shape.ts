import { bitLength } from '../lib/bit-length.ts';
import { compareText, sorted } from '../lib/sort.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { ElementChanges } from '../nftables/element-changes.ts';
import type { Chain, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { allowsText, lookupsChain, type Allow } from './allow.ts';
import { costOfSet } from './budgets.ts';
import { costOfIntervals, costOfPrefixes, prefixesOf, prefixesOfPort } from './interval-rules.ts';
import type { Reading } from './names.ts';
import { countCovering, entriesText, portMaps, type PortEntry, type PortMaps } from './port-map.ts';
import { hasInterval, maxSinglePorts, mergePorts, portRangeText, type PortRange } from './port-set.ts';
import { countPieces, type Rectangle } from './rectangles.ts';
import { namedTuples, type Bucket, type ClassRules, type Groups } from './resolve.ts';
import { rangesSet, rectanglesSet, type GroupSet } from './set-builder.ts';
import { withSharedGroups, type ShapeLimits } from './shape-limits.ts';
import { tuplesOf } from './tuples.ts';

/** The nftables objects of one class. */
export interface BuiltClass {
  /** `undefined` if the class allows all traffic: its pods need no lookup in this direction. */
  readonly families: Readonly<Record<Family, FamilyClass>> | undefined;
}

export interface FamilyClass {
  readonly chains: Readonly<Record<Reading, ClassChain>>;
  readonly sets: readonly NftSet[];
  /** Text of everything that the chains depend on. */
  readonly shape: string;
  /** The draft that it was built from; the next run reuses it if only members changed. */
  readonly draft: FamilyDraft;
  readonly tuples: NftSet;
}

/** The entry chain of a class, and its port maps with their chains. */
export interface ClassChain {
  readonly chain: Chain;
  readonly ports: PortMaps;
}

/** Peers and the ports that they may use. */
export interface Entry<Peers> {
  readonly peers: Peers;
  readonly ports: readonly PortRange[];
}

/** The layout of a class before its sets and chains are built. */
export interface ClassDraft {
  readonly rules: ClassRules;
  /** `undefined` if the class allows all traffic. */
  readonly families: readonly FamilyDraft[] | undefined;
}

/** @param known an earlier class with equal rules; parts that depend on no member are reused */
export function draftClass(
  rules: ClassRules,
  groups: Groups,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known?: BuiltClass,
): ClassDraft {
  const { buckets } = rules;
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any')) return { rules, families: undefined };
  const named = namedTuples(rules, groups);
  const within = (each: ShapeLimits): ClassDraft => {
    const drafts = families.map((family) => {
      return draftFamily(family, buckets, named, groupSet, each, known?.families?.[family].draft);
    });
    return { rules, families: drafts };
  };
  const draft = within(limits);
  const sumOf = (count: 'written' | 'named'): number => draft.families!.reduce((sum, each) => sum + each[count], 0);
  return sumOf('written') > Math.max(limits.maxClassElements, maxSinglePorts.ofTuples * sumOf('named'))
    ? within(withSharedGroups(limits))
    : draft;
}

/** Upper bound for the elements and rules that `buildClass` visits and creates. A rectangle costs 5 units, as an element with a range (docs/decisions/0014). */
export function workOf({ rules, families: drafts = [] }: ClassDraft): number {
  return drafts.reduce((sum, draft) => sum + workOfFamily(draft, rules), 0);
}

function workOfFamily(draft: FamilyDraft, { buckets }: ClassRules): number {
  const blocks = draft.writtenBlocks();
  const entries = [...everyoneEntries(buckets), ...draft.pairedMembers, ...draft.pairedBlocks, { ports: blocks.ports }];
  const paired = draft.pairedBlocks.flatMap(({ peers }) => peers);
  const prefixes = [...paired, ...draft.anyBlocks].reduce((sum, range) => sum + 5 + prefixesOf(range), 0);
  return draft.exact + blocks.work + prefixes + countCovering(entries.map(({ ports }) => ports));
}

/** @param known an earlier class of the same spec. Unchanged parts are the same objects; changed sets cost work proportional to the change. */
export function buildClass(
  { rules, families: drafts }: ClassDraft,
  changes: ElementChanges,
  known?: BuiltClass,
): BuiltClass {
  if (!drafts) return { families: undefined };
  const [ipv4, ipv6] = drafts.map((draft) => buildFamily(draft, rules, changes, known?.families?.[draft.family]));
  return { families: { ipv4: ipv4!, ipv6: ipv6! } };
}

function buildFamily(
  draft: FamilyDraft,
  { spec, buckets }: ClassRules,
  changes: ElementChanges,
  known: FamilyClass | undefined,
): FamilyClass {
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples, changes);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries = [...everyoneEntries(buckets), ...portEntries(draft)];
  const rest = everyPort(draft).filter(holds);
  const shape = [allowsText(allows), entriesText(entries), allowsText(rest)].join('\n');
  const chainOf = (reading: Reading): ClassChain => {
    const { direction } = spec;
    const ports = portMaps(direction, reading, entries, rest);
    return { chain: lookupsChain(direction, reading, { allows, maps: ports.maps, rest }), ports };
  };
  const chains =
    known?.shape === shape
      ? known.chains
      : { original: chainOf('original'), reply: chainOf('reply'), error: chainOf('error') };
  const behindPorts = entries.flatMap(({ allow }) => allow ?? []);
  const { reads } = chains.original.ports;
  const read = [...allows, ...behindPorts.filter(({ set }) => reads.has(set.name)), ...rest];
  return { chains, sets: read.map(({ set }) => set), shape, draft, tuples };
}

/** The cost for nft in units of `budgets.ts`; a rule costs 5 (docs/decisions/0014). Elements of shared group sets do not count. */
export function costOf({ families: built }: BuiltClass): number {
  let cost = 0;
  for (const { chains, sets, draft } of Object.values(built ?? {})) {
    const shared = new Set(draft.limits.sharesGroups ? groupSetsOfFamily(draft) : []);
    for (const set of sets) cost += costOfSet + (shared.has(set) ? 0 : costOfElements(set));
    for (const { chain, ports } of Object.values(chains)) {
      for (const map of ports.maps) cost += costOfSet + costOfElements(map);
      for (const { rules } of [chain, ...ports.chains]) cost += 5 * (1 + rules.length);
    }
  }
  return cost;
}

/** A concatenated key takes nft five times as long as an address (docs/decisions/0014). */
function costOfElements(set: NftSet | VerdictMap): number {
  if (set.interval) return costOfIntervals(set);
  return set.elements.size * (set.key.length === 1 ? 1 : 5);
}

/** The sets that its chains look up. */
export function setsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ sets }) => sets);
}

/** All group sets that its drafts use: written out as tuples, looked up, or empty. */
export function groupSetsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ draft }) => groupSetsOfFamily(draft));
}

function groupSetsOfFamily({ members, pairedMembers, anyMembers }: FamilyDraft): NftSet[] {
  return [...[...members, ...pairedMembers].map(({ peers }) => peers), ...anyMembers];
}

function holds({ set }: Allow): boolean {
  return set.elements.size > 0;
}

/** Ports that are open to everyone, merged into one entry, because each further entry would overlap the others. */
function everyoneEntries(buckets: readonly Bucket[]): PortEntry[] {
  const ports = mergePorts(buckets.flatMap((each) => (each.everyone ? (each.ports as readonly PortRange[]) : [])));
  return ports.length > 0 ? [{ ports }] : [];
}

/** One family's part of a class, by kind of lookup. */
export interface FamilyDraft {
  readonly family: Family;
  readonly limits: ShapeLimits;
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
  /** Number of tuples and rectangles. Cutting overlaps changes it little. */
  readonly written: number;
  /** Number of tuples among them. */
  readonly exact: number;
  /** Number of peers plus ports that `written` is the product of. */
  readonly named: number;
}

function draftFamily(
  family: Family,
  buckets: readonly Bucket[],
  allNamed: ReadonlyMap<string, ReadonlySet<string>>,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known: FamilyDraft | undefined,
): FamilyDraft {
  const ofFamily = (ranges: readonly AddressRange[]): AddressRange[] => ranges.filter((each) => each.family === family);
  const memberSets = (bucket: Bucket): NftSet[] => {
    const ids = sorted(bucket.groups);
    const lists = limits.sharesGroups ? ids.map((id) => [id]) : ids.length > 0 ? [ids] : [];
    return lists.map((list) => groupSet(family, list));
  };
  const members: Entry<NftSet>[] = [];
  const blocks: Entry<readonly AddressRange[]>[] = [];
  let anyMembers: readonly NftSet[] = [];
  let anyBlocks: readonly AddressRange[] = [];
  for (const bucket of buckets) {
    const { ports } = bucket;
    const ranges = ofFamily(bucket.ranges);
    if (ports === 'any') {
      anyBlocks = ranges;
      anyMembers = memberSets(bucket);
    } else {
      members.push(...memberSets(bucket).map((set) => memberEntry(set, bucket, limits)));
      if (ranges.length > 0) blocks.push({ peers: ranges, ports });
    }
  }
  const product = (count: number, ports: readonly PortRange[]): number => count * ports.length;
  const pairedMembers = largest(members, limits, ({ peers, ports }) => {
    return hasInterval(ports) || product(peers.elements.size, ports) > limits.maxTuples ? peers.elements.size : 0;
  });
  const pairedBlocks = largest(blocks, limits, ({ peers, ports }) => {
    return product(peers.length, ports) > limits.maxTuples ? product(peers.length, ports) : 0;
  });
  const writtenMembers = members.filter((entry) => !pairedMembers.includes(entry));
  const writtenBlocks = blocks.filter((entry) => !pairedBlocks.includes(entry));
  const draft = {
    family,
    limits,
    namedPorts: new Map([...allNamed].filter(([address]) => familyOf(address) === family)),
    members: writtenMembers,
    blocks: writtenBlocks,
    writtenBlocks: blocksOf(family, writtenBlocks, writtenMembers.filter(isRanged), limits, known),
    pairedMembers,
    pairedBlocks,
    anyMembers,
    anyBlocks,
  };
  let [written, exact, named] = [0, 0, 0];
  const count = (peers: number, ports: number, isExact: boolean): void => {
    written += peers * ports;
    if (isExact) exact += peers * ports;
    named += peers + ports;
  };
  for (const { peers, ports } of draft.members) count(peers.elements.size, ports.length, !hasInterval(ports));
  for (const { peers, ports } of draft.blocks) count(peers.length, ports.length, false);
  for (const ports of draft.namedPorts.values()) count(1, ports.size, true);
  return { ...draft, written, exact, named };
}

/** A port range becomes single ports if that makes few enough tuples. `tuples.ts` compares the identity of `ports`, so this returns the bucket's own arrays. */
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
  const byText = entries
    .map((entry) => ({
      entry,
      weight: bitLength(weight(entry)),
      text: entry.ports.map(portRangeText).join(),
    }))
    .filter((each) => each.weight > 0)
    .sort((a, b) => compareText(a.text, b.text));
  const chosen = new Set(byText.toSorted((a, b) => b.weight - a.weight).slice(0, limits.maxSharedLookups));
  return byText.filter((each) => chosen.has(each)).map((each) => each.entry);
}

/** The cheapest lookups come first: groups, blocks, blocks with ports. */
function portEntries({ family, pairedMembers, pairedBlocks, writtenBlocks }: FamilyDraft): PortEntry[] {
  const { ports, set } = writtenBlocks();
  const entries: (PortEntry & { readonly allow: Allow })[] = [
    ...pairedMembers.map((each) => ({ ports: each.ports, allow: { family, on: 'peer', set: each.peers } as const })),
    ...pairedBlocks.map((each) => {
      return {
        ports: each.ports,
        allow: { family, on: 'peer . protocol', set: rangesSet(family, each.peers) } as const,
      };
    }),
    { ports, allow: { family, on: 'peer . protocol . port', set: set() } },
  ];
  return entries.filter(({ allow }) => holds(allow));
}

function everyPort({ family, anyMembers, anyBlocks }: FamilyDraft): Allow[] {
  return [
    ...anyMembers.map((set) => ({ family, on: 'peer', set }) as const),
    { family, on: 'peer . protocol', set: rangesSet(family, anyBlocks) },
  ];
}

/** Rectangles of addresses and ports, for one interval set. */
interface Blocks {
  readonly ports: readonly PortRange[];
  /** Upper bound for the number of pieces after cutting, plus about what their prefixes cost. */
  readonly work: number;
  /** Cuts overlaps and returns the set. */
  readonly set: () => NftSet;
}

function isRanged({ ports, peers }: Entry<NftSet>): boolean {
  return hasInterval(ports) && peers.elements.size > 0;
}

/** Without members, the rectangles depend only on rules and limits. Then a change of members need not cut them again. */
function blocksOf(
  family: Family,
  blocks: FamilyDraft['blocks'],
  ranged: readonly Entry<NftSet>[],
  { maxTuples, maxSharedLookups }: ShapeLimits,
  known: FamilyDraft | undefined,
): () => Blocks {
  const isSame = known?.limits.maxTuples === maxTuples && known.limits.maxSharedLookups === maxSharedLookups;
  if (isSame && ranged.length === 0 && !known.members.some(isRanged)) return known.writtenBlocks;
  let read: Blocks | undefined;
  return () => (read ??= readBlocks(family, blocks, ranged));
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
  let cut: NftSet | undefined;
  return {
    ports: mergePorts([...ranged, ...blocks].flatMap(({ ports }) => ports)),
    work,
    set() {
      cut ??= rectanglesSet(family, rectangles);
      rectangles.length = 0;
      return cut;
    },
  };
}

function singleAddress(family: Family, address: string): AddressRange {
  const { value } = parseAddress(address)!;
  return { family, first: value, last: value };
}
