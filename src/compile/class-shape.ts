import { compareText, sorted } from '../lib/sort.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { Chain, NftSet } from '../nftables/ruleset.ts';
import { allow, classChain, type Allow } from './allow.ts';
import type { ClassSpec } from './class-spec.ts';
import type { Orientation } from './names.ts';
import { hasInterval, portRangeText, portSetOf, singlePorts, type PortRange } from './port-set.ts';
import type { Rectangle } from './rectangles.ts';
import { bucketsOf, namedTuples, type Bucket, type Groups } from './resolve.ts';
import { portsSet, rangesSet, rectanglesSet, type GroupSets } from './set-builder.ts';
import { tuplesOf } from './tuples.ts';

export interface ShapeLimits {
  /** Peers times ports of one bucket are written out up to here; beyond it, peers and ports are two look-ups of one rule. */
  readonly product: number;
  /** How many such rules a class may have for pods, and as many for blocks: what bounds the look-ups of a packet. */
  readonly sharedRules: number;
  /** How many elements a class may write out in all, unless its peers and ports are an eighth as many: more is too large (S9.12). */
  readonly written: number;
}

export const defaultLimits: ShapeLimits = { product: 512, sharedRules: 4, written: 50_000 };

/** What the kernel needs for one class. No chains where all traffic is allowed: its pods need no look-up in this direction. */
export interface BuiltClass {
  readonly chains: Readonly<Record<Orientation, Chain>> | undefined;
  readonly sets: readonly NftSet[];
  /** What it was made of, for the next time that only members change. */
  readonly drafts: readonly FamilyDraft[];
  readonly tuples: readonly NftSet[];
}

/** A class that would write out more elements than it may. */
export interface TooLarge {
  readonly written: number;
  readonly allowed: number;
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
): BuiltClass | TooLarge {
  const buckets = bucketsOf(spec);
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any')) {
    return { chains: undefined, sets: [], drafts: [], tuples: [] };
  }
  const named = namedTuples(spec, groups);
  const drafts = families.map((family) => draftFamily(family, buckets, named, groups, groupSets, limits));
  const written = drafts.reduce((sum, draft) => sum + draft.written, 0);
  const allowed = Math.max(limits.written, 8 * drafts.reduce((sum, draft) => sum + draft.named, 0));
  if (written > allowed) return { written, allowed };
  const tuples = drafts.map((draft, index) => tuplesOf(draft, spec, known?.drafts[index], known?.tuples[index]));
  // Cheapest first.
  const allows = [
    ...tuples.map((set, index) => allow(families[index], { on: 'peer . protocol . port', set })),
    ...everyoneAllows(buckets),
    ...drafts.flatMap((draft) => familyAllows(draft, spec, limits)),
  ].filter(({ parts }) => parts.every(({ set }) => set.elements.size > 0));
  const sets = allows.flatMap(({ parts }) => parts.map(({ set }) => set));
  // Chains are named by what they look up, and a set is in a class by one rule.
  const isShape =
    known?.chains && sets.length === known.sets.length && sets.every(({ name }, i) => name === known.sets[i]!.name);
  const chains = isShape
    ? known.chains
    : {
        original: classChain(spec.direction, 'original', allows),
        reply: classChain(spec.direction, 'reply', allows),
      };
  return { chains, sets, drafts, tuples };
}

/** Ports that are open to everyone. */
function everyoneAllows(buckets: readonly Bucket[]): Allow[] {
  const ports = buckets.filter((bucket) => bucket.everyone).flatMap((bucket) => bucket.ports as readonly PortRange[]);
  if (ports.length === 0) return [];
  return [allow(undefined, { on: 'protocol . port', set: portsAlone(portSetOf(ports) as readonly PortRange[]) })];
}

/** One family's part of a class, sorted by how it is looked up. */
export interface FamilyDraft {
  readonly family: Family;
  readonly namedPorts: ReadonlyMap<string, ReadonlySet<string>>;
  /** Written out as tuples, or as rectangles where a port is a range. */
  readonly members: readonly Entry<NftSet>[];
  readonly blocks: readonly Entry<readonly AddressRange[]>[];
  /** Pairs of look-ups. */
  readonly pairedMembers: readonly Entry<NftSet>[];
  readonly pairedBlocks: readonly Entry<readonly AddressRange[]>[];
  /** On every protocol. */
  readonly anyMembers: NftSet | undefined;
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
  const memberSet = (bucket: Bucket): NftSet => groupSets.get(family, sorted(bucket.groups), groups);
  const members: Entry<NftSet>[] = [];
  const blocks: Entry<readonly AddressRange[]>[] = [];
  let anyMembers: NftSet | undefined;
  let anyBlocks: readonly AddressRange[] = [];
  for (const bucket of buckets) {
    const { ports } = bucket;
    const ranges = ofFamily(bucket.ranges);
    if (ports === 'any') {
      anyBlocks = ranges;
      if (bucket.groups.size > 0) anyMembers = memberSet(bucket);
    } else {
      if (bucket.groups.size > 0) members.push(memberEntry(memberSet(bucket), ports, limits));
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
 * How many ports are written out in place of ranges. A hash costs a fraction of a look-up of intervals. Of tuples no more than eight, so
 * that what a class may write out for its peers and ports (an eighth) holds them.
 */
const mostPorts = { ofTuples: 8, ofPorts: 256 } as const;

function portsAlone(ports: readonly PortRange[]): NftSet {
  return portsSet(singlePorts(ports, mostPorts.ofPorts));
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

function bitLength(weight: number): number {
  return 32 - Math.clz32(weight);
}

/** Cheapest first: peers on every protocol, blocks with ports, blocks on every protocol, then the pairs. */
function familyAllows(draft: FamilyDraft, spec: ClassSpec, limits: ShapeLimits): Allow[] {
  const { family } = draft;
  const rectangles: Rectangle[] = [];
  for (const { peers, ports } of draft.members) {
    if (!hasInterval(ports)) continue;
    for (const address of peers.elements) rectangles.push({ range: singleAddress(family, address), ports });
  }
  return [
    ...(draft.anyMembers ? [allow(family, { on: 'peer', set: draft.anyMembers })] : []),
    allow(family, { on: 'peer . protocol . port', set: blocksSet(draft, rectangles, spec, limits) }),
    allow(family, { on: 'peer . protocol', set: rangesSet(family, draft.anyBlocks) }),
    ...draft.pairedMembers.map(({ peers, ports }) => {
      return allow(family, { on: 'peer', set: peers }, { on: 'protocol . port', set: portsAlone(ports) });
    }),
    ...draft.pairedBlocks.map(({ peers, ports }) => {
      const set = rangesSet(family, peers);
      return allow(family, { on: 'peer . protocol', set }, { on: 'protocol . port', set: portsAlone(ports) });
    }),
  ];
}

/** Blocks alone depend on no member, so an event of a member need not cut them again. */
const blocksSets = new WeakMap<ClassSpec, Map<string, NftSet>>();

function blocksSet(draft: FamilyDraft, members: readonly Rectangle[], spec: ClassSpec, limits: ShapeLimits): NftSet {
  const { family } = draft;
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
