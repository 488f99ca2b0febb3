import { bitLength } from '../lib/bit-length.ts';
import { compareText, sorted } from '../lib/sort.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { Chain, NftSet } from '../nftables/ruleset.ts';
import { allowsText, lookupsChain, type Allow } from './allow.ts';
import type { ClassSpec } from './class-spec.ts';
import type { Reading } from './names.ts';
import { entriesText, portMaps, type PortEntry, type PortMaps } from './port-map.ts';
import { hasInterval, mergePorts, mostPorts, portRangeText, singlePorts, type PortRange } from './port-set.ts';
import type { Rectangle } from './rectangles.ts';
import { bucketsOf, namedTuples, type Bucket, type Groups } from './resolve.ts';
import { rangesSet, rectanglesSet, type GroupSets } from './set-builder.ts';
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
export function keepingApart(limits: ShapeLimits): ShapeLimits {
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

/** @param known of the same spec, if there is one: what is the same is the very object, and what has changed costs as much as the change */
export function buildClass(
  spec: ClassSpec,
  groups: Groups,
  groupSets: GroupSets,
  limits: ShapeLimits,
  known?: BuiltClass,
): BuiltClass {
  const buckets = bucketsOf(spec);
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any')) return { families: undefined };
  const named = namedTuples(spec, groups);
  const draftsWithin = (each: ShapeLimits): FamilyDraft[] =>
    families.map((family) => draftFamily(family, buckets, named, groups, groupSets, each));
  let drafts = draftsWithin(limits);
  const sumOf = (count: 'written' | 'named'): number => drafts.reduce((sum, draft) => sum + draft[count], 0);
  if (sumOf('written') > Math.max(limits.written, 8 * sumOf('named'))) drafts = draftsWithin(keepingApart(limits));
  const [ipv4, ipv6] = drafts.map((draft) =>
    buildFamily(draft, spec, buckets, limits, known?.families?.[draft.family]),
  );
  return { families: { ipv4: ipv4!, ipv6: ipv6! } };
}

function buildFamily(
  draft: FamilyDraft,
  spec: ClassSpec,
  buckets: readonly Bucket[],
  limits: ShapeLimits,
  known: FamilyClass | undefined,
): FamilyClass {
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries = [...everyoneEntries(buckets), ...portEntries(draft, spec, limits)];
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

/** What its chains look in. */
export function setsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ sets }) => sets);
}

/** All that it has asked for, whether they are written out, looked up or empty. */
export function groupSetsOf({ families: built }: BuiltClass): NftSet[] {
  if (!built) return [];
  return Object.values(built).flatMap(({ draft: { members, pairedMembers, anyMembers } }) => [
    ...[...members, ...pairedMembers].map(({ peers }) => peers),
    ...anyMembers,
  ]);
}

function holds({ set }: Allow): boolean {
  return set.elements.size > 0;
}

/** Ports that are open to everyone. */
function everyoneEntries(buckets: readonly Bucket[]): PortEntry[] {
  const open = buckets.filter((bucket) => bucket.everyone);
  return open.map(({ ports }) => ({ ports: ports as readonly PortRange[] }));
}

/** One family's part of a class, sorted by how it is looked up. */
export interface FamilyDraft {
  readonly family: Family;
  readonly namedPorts: ReadonlyMap<string, ReadonlySet<string>>;
  /** Written out as tuples, or as rectangles where a port is a range. */
  readonly members: readonly Entry<NftSet>[];
  readonly blocks: readonly Entry<readonly AddressRange[]>[];
  /** Too many to be written out: looked up behind their ports. */
  readonly pairedMembers: readonly Entry<NftSet>[];
  readonly pairedBlocks: readonly Entry<readonly AddressRange[]>[];
  /** On every protocol. */
  readonly anyMembers: readonly NftSet[];
  readonly anyBlocks: readonly AddressRange[];
  /** Elements that would be written out; cutting overlaps apart changes it little. */
  readonly written: number;
  /** Peers and ports that these stand for. */
  readonly named: number;
}

function draftFamily(
  family: Family,
  buckets: readonly Bucket[],
  allNamed: ReadonlyMap<string, ReadonlySet<string>>,
  groups: Groups,
  groupSets: GroupSets,
  limits: ShapeLimits,
): FamilyDraft {
  const ofFamily = (ranges: readonly AddressRange[]): AddressRange[] => ranges.filter((each) => each.family === family);
  const memberSets = (bucket: Bucket): NftSet[] => {
    const ids = sorted(bucket.groups);
    const lists = limits.apart ? ids.map((id) => [id]) : ids.length > 0 ? [ids] : [];
    return lists.map((list) => groupSets.get(family, list, groups));
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
      members.push(...memberSets(bucket).map((set) => memberEntry(set, ports, limits)));
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
  const draft = {
    family,
    namedPorts: new Map([...allNamed].filter(([address]) => familyOf(address) === family)),
    members: members.filter((entry) => !pairedMembers.includes(entry)),
    blocks: blocks.filter((entry) => !pairedBlocks.includes(entry)),
    pairedMembers,
    pairedBlocks,
    anyMembers,
    anyBlocks,
  };
  let [written, named] = [0, 0];
  const count = (peers: number, ports: number): void => {
    written += peers * ports;
    named += peers + ports;
  };
  for (const { peers, ports } of draft.members) count(peers.elements.size, ports.length);
  for (const { peers, ports } of draft.blocks) count(peers.length, ports.length);
  for (const ports of draft.namedPorts.values()) count(1, ports.size);
  return { ...draft, written, named };
}

/** Neighbouring ports are a range, and few enough are no less exact tuples for it. */
function memberEntry(peers: NftSet, ports: readonly PortRange[], limits: ShapeLimits): Entry<NftSet> {
  let single = singlePortsOf.get(ports);
  if (!single) singlePortsOf.set(ports, (single = singlePorts(ports, mostPorts.ofTuples)));
  return { peers, ports: peers.elements.size * single.length <= limits.product ? single : ports };
}

/** The very object each time: what tells that the shape of a class is the same. */
const singlePortsOf = new WeakMap<readonly PortRange[], readonly PortRange[]>();

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
function portEntries(draft: FamilyDraft, spec: ClassSpec, limits: ShapeLimits): PortEntry[] {
  const { family, pairedMembers, pairedBlocks } = draft;
  const ranged = draft.members.filter(({ ports }) => hasInterval(ports));
  const written = [...ranged, ...draft.blocks].flatMap(({ ports }) => ports);
  const set = blocksSet(draft, ranged, spec, limits);
  const entries: (PortEntry & { readonly allow: Allow })[] = [
    ...pairedMembers.map(({ peers, ports }) => ({ ports, allow: { family, on: 'peer', set: peers } as const })),
    ...pairedBlocks.map(({ peers, ports }) => {
      return { ports, allow: { family, on: 'peer . protocol', set: rangesSet(family, peers) } as const };
    }),
    { ports: mergePorts(written), allow: { family, on: 'peer . protocol . port', set } },
  ];
  return entries.filter(({ allow }) => holds(allow));
}

function everyPort({ family, anyMembers, anyBlocks }: FamilyDraft): Allow[] {
  return [
    ...anyMembers.map((set) => ({ family, on: 'peer', set }) as const),
    { family, on: 'peer . protocol', set: rangesSet(family, anyBlocks) },
  ];
}

/** Blocks alone depend on no member, so an event of a member need not cut them again. */
const blocksSets = new WeakMap<ClassSpec, Map<string, NftSet>>();

function blocksSet(draft: FamilyDraft, ranged: readonly Entry<NftSet>[], spec: ClassSpec, limits: ShapeLimits): NftSet {
  const { family } = draft;
  const members: Rectangle[] = ranged.flatMap(({ peers, ports }) =>
    [...peers.elements].map((address) => ({ range: singleAddress(family, address), ports })),
  );
  const blocks = draft.blocks.flatMap(({ peers, ports }) => peers.map((range) => ({ range, ports })));
  if (members.length > 0) return rectanglesSet(family, [...blocks, ...members]);
  let known = blocksSets.get(spec);
  if (!known) blocksSets.set(spec, (known = new Map()));
  const key = `${family} ${limits.product} ${limits.sharedRules}`;
  let set = known.get(key);
  if (!set) known.set(key, (set = rectanglesSet(family, blocks)));
  return set;
}

function singleAddress(family: Family, address: string): AddressRange {
  const { value } = parseAddress(address)!;
  return { family, first: value, last: value };
}
