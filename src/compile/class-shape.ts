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
import { hasInterval, mergePorts, portRangeText, type PortRange } from './port-set.ts';
import { countPieces, type Rectangle } from './rectangles.ts';
import { namedTuples, type Bucket, type ClassRules, type Groups } from './resolve.ts';
import { rangesSet, rectanglesSet, type GroupSet } from './set-builder.ts';
import { tuplesOf } from './tuples.ts';

export interface ShapeLimits {
  /** Peers times ports of one bucket are written out up to here; beyond it, peers are looked up behind their ports. */
  readonly product: number;
  /** How many such look-ups a class may have for pods, and as many for blocks: what bounds those of a packet. */
  readonly sharedRules: number;
  /** How many elements a class may write out in all, unless its peers and ports are an eighth as many; beyond it they stay apart. */
  readonly written: number;
  /** How many peers times ports all classes of a node may write out together (`node-budget.ts`). */
  readonly node: number;
  /** Hardly anything is written out: each group is a set of its own, which is there once for all classes, and behind its ports. */
  readonly apart?: boolean;
  /** Packets are counted, so that no two classes share a chain. */
  readonly counts?: boolean;
}

/** So written out is at most an eighth of the peers and ports. */
export function withSharedGroups(limits: ShapeLimits): ShapeLimits {
  return { ...limits, product: limits.product >> 3, sharedRules: Infinity, apart: true };
}

export const defaultLimits: ShapeLimits = { product: 512, sharedRules: 4, written: 50_000, node: 1_000_000 };

/** What the kernel needs for one class. */
export interface BuiltClass {
  /** None where all traffic is allowed: its pods need no look-up in this direction. */
  readonly families: Readonly<Record<Family, FamilyClass>> | undefined;
}

export interface FamilyClass {
  readonly chains: Readonly<Record<Reading, ClassChain>>;
  readonly sets: readonly NftSet[];
  /** All that the chains depend on. */
  readonly shape: string;
  /** What it was made of, for the next time that only members change. */
  readonly draft: FamilyDraft;
  readonly tuples: NftSet;
}

/** The chain of a class, and what it goes on to. */
export interface ClassChain {
  readonly chain: Chain;
  readonly ports: PortMaps;
}

/** Peers and the ports that they may use. */
export interface Entry<Peers> {
  readonly peers: Peers;
  readonly ports: readonly PortRange[];
}

/** What is known of a class before anything is written out. The limits are those that it keeps to. */
export interface ClassDraft {
  readonly rules: ClassRules;
  readonly limits: ShapeLimits;
  /** None where all traffic is allowed. */
  readonly families: readonly FamilyDraft[] | undefined;
}

/** @param known of equal rules, if there is one: what depends on no member is taken from it */
export function draftClass(
  rules: ClassRules,
  groups: Groups,
  groupSet: GroupSet,
  limits: ShapeLimits,
  known?: BuiltClass,
): ClassDraft {
  const { spec, buckets } = rules;
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any'))
    return { rules, limits, families: undefined };
  const named = namedTuples(spec, groups);
  const within = (each: ShapeLimits): ClassDraft => {
    const drafts = families.map((family) => {
      return draftFamily(family, buckets, named, groupSet, each, known?.families?.[family].draft);
    });
    return { rules, limits: each, families: drafts };
  };
  const draft = within(limits);
  const sumOf = (count: 'written' | 'named'): number => draft.families!.reduce((sum, each) => sum + each[count], 0);
  return sumOf('written') > Math.max(limits.written, 8 * sumOf('named')) ? within(withSharedGroups(limits)) : draft;
}

/** At most as many elements and rules as are gone through when it is built, and as it has in the end. */
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

/** @param known of the same spec, if there is one: what is the same is the very object, and what has changed costs as much as the change */
export function buildClass(
  { rules, families: drafts, limits }: ClassDraft,
  changes: ElementChanges,
  known?: BuiltClass,
): BuiltClass {
  if (!drafts) return { families: undefined };
  const [ipv4, ipv6] = drafts.map((draft) =>
    buildFamily(draft, rules, limits, changes, known?.families?.[draft.family]),
  );
  return { families: { ipv4: ipv4!, ipv6: ipv6! } };
}

function buildFamily(
  draft: FamilyDraft,
  { spec, buckets }: ClassRules,
  limits: ShapeLimits,
  changes: ElementChanges,
  known: FamilyClass | undefined,
): FamilyClass {
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples, changes);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries = [...everyoneEntries(buckets), ...portEntries(draft)];
  const rest = everyPort(draft).filter(holds);
  const shape = [allowsText(allows), entriesText(entries), allowsText(rest)].join('\n');
  const chainOf = (reading: Reading): ClassChain => {
    const { direction, text: owner } = spec;
    const counting = (isEntry: boolean) => (limits.counts ? { owner, isEntry } : undefined);
    const ports = portMaps(direction, reading, entries, rest, counting(false));
    const lookups = { counting: counting(true), allows, maps: ports.maps, rest };
    return { chain: lookupsChain(direction, reading, lookups), ports };
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

/** What nft has to do for it, as `budgets.ts` counts; of groups that are there once for all classes, nothing. */
export function costOf({ families: built }: BuiltClass): number {
  let cost = 0;
  for (const { chains, sets, draft } of Object.values(built ?? {})) {
    const shared = new Set(draft.limits.apart ? groupSetsOfFamily(draft) : []);
    for (const set of sets) cost += costOfSet + (shared.has(set) ? 0 : costOfElements(set));
    for (const { chain, ports } of Object.values(chains)) {
      for (const map of ports.maps) cost += costOfSet + costOfElements(map);
      for (const { rules } of [chain, ...ports.chains]) cost += 5 * (1 + rules.length);
    }
  }
  return cost;
}

/** nft reads and writes a key of several parts in five times the time of an address. */
function costOfElements(set: NftSet | VerdictMap): number {
  if (set.interval) return costOfIntervals(set);
  return set.elements.size * (set.key.length === 1 ? 1 : 5);
}

/** What its chains look in. */
export function setsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ sets }) => sets);
}

/** All that it has asked for, whether they are written out, looked up or empty. */
export function groupSetsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ draft }) => groupSetsOfFamily(draft));
}

function groupSetsOfFamily({ members, pairedMembers, anyMembers }: FamilyDraft): NftSet[] {
  return [...[...members, ...pairedMembers].map(({ peers }) => peers), ...anyMembers];
}

function holds({ set }: Allow): boolean {
  return set.elements.size > 0;
}

/** Ports that are open to everyone, in one entry: each more would lie over all others. */
function everyoneEntries(buckets: readonly Bucket[]): PortEntry[] {
  const ports = mergePorts(buckets.flatMap((each) => (each.everyone ? (each.ports as readonly PortRange[]) : [])));
  return ports.length > 0 ? [{ ports }] : [];
}

/** One family's part of a class, sorted by how it is looked up. */
export interface FamilyDraft {
  readonly family: Family;
  readonly limits: ShapeLimits;
  readonly namedPorts: ReadonlyMap<string, ReadonlySet<string>>;
  /** Written out as tuples, or as rectangles where a port is a range. */
  readonly members: readonly Entry<NftSet>[];
  readonly blocks: readonly Entry<readonly AddressRange[]>[];
  /** These blocks, and the members whose port is a range. */
  readonly writtenBlocks: () => Blocks;
  /** Too many to be written out: looked up behind their ports. */
  readonly pairedMembers: readonly Entry<NftSet>[];
  readonly pairedBlocks: readonly Entry<readonly AddressRange[]>[];
  /** On every protocol. */
  readonly anyMembers: readonly NftSet[];
  readonly anyBlocks: readonly AddressRange[];
  /** Elements that would be written out; cutting overlaps apart changes it little. */
  readonly written: number;
  /** Of these, the ones that are looked up exactly. */
  readonly exact: number;
  /** Peers and ports that these stand for. */
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
    const lists = limits.apart ? ids.map((id) => [id]) : ids.length > 0 ? [ids] : [];
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
    return hasInterval(ports) || product(peers.elements.size, ports) > limits.product ? peers.elements.size : 0;
  });
  const pairedBlocks = largest(blocks, limits, ({ peers, ports }) => {
    return product(peers.length, ports) > limits.product ? product(peers.length, ports) : 0;
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

/** Neighbouring ports are a range, and few enough are no less exact tuples for it. The very ports of the bucket tell that the shape is the same. */
function memberEntry(peers: NftSet, { ports, single }: Bucket, limits: ShapeLimits): Entry<NftSet> {
  const isFew = peers.elements.size * single.length <= limits.product;
  return { peers, ports: isFew ? single : (ports as readonly PortRange[]) };
}

/**
 * The entries that gain most from a rule of their own; those of weight 0 never. In an order in which weights have no part: a chain is named
 * by what it looks up in turn, so groups that pass each other in size would move all pods of the class to another chain. For the same
 * reason weights count as powers of two: only where one is passed can another entry be chosen, and none that is not chosen is twice as large as one that is.
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
  const chosen = new Set(byText.toSorted((a, b) => b.weight - a.weight).slice(0, limits.sharedRules));
  return byText.filter((each) => chosen.has(each)).map((each) => each.entry);
}

/** Cheapest first: groups, blocks, blocks with ports. */
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

/** What is written out with ranges. */
interface Blocks {
  readonly ports: readonly PortRange[];
  /** Into how many they are cut, at most, and about what these cost. */
  readonly work: number;
  /** Cuts them. */
  readonly set: () => NftSet;
}

function isRanged({ ports, peers }: Entry<NftSet>): boolean {
  return hasInterval(ports) && peers.elements.size > 0;
}

/** Without members they depend on rules and limits alone, so an event of a member need not cut them again. */
function blocksOf(
  family: Family,
  blocks: FamilyDraft['blocks'],
  ranged: readonly Entry<NftSet>[],
  { product, sharedRules }: ShapeLimits,
  known: FamilyDraft | undefined,
): () => Blocks {
  const isSame = known?.limits.product === product && known.limits.sharedRules === sharedRules;
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
  // About what the set will cost: overlaps hardly change it, and it must be known before they are cut.
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
