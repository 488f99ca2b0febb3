import { isSameList } from '../lib/is-same-list.ts';
import type { AddressRange, Family } from '../model/address.ts';
import type { Chain, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { lookupsChain, type Allow, type Lookups } from './allow.ts';
import { costOfSet } from './budgets.ts';
import type { ClassDraft, FamilyDraft } from './class-draft.ts';
import { costOfIntervals } from './interval-rules.ts';
import type { Reading } from './names.ts';
import { portMaps, type PortEntry, type PortMaps } from './port-map.ts';
import type { ClassRules } from './resolve.ts';
import { rangesSet } from './set-builder.ts';
import { tuplesOf } from './tuples.ts';

/** The nftables objects of one class. */
export interface BuiltClass {
  /** `undefined` if the class allows all traffic: its pods need no lookup in this direction. */
  readonly families: Readonly<Record<Family, FamilyClass>> | undefined;
}

export interface FamilyClass {
  readonly chains: Readonly<Record<Reading, ClassChain>>;
  readonly sets: readonly NftSet[];
  /** Everything that the chains depend on. */
  readonly lookups: ClassLookups;
  /** What the chains and their port maps cost. */
  readonly costOfChains: number;
  /** The draft that it was built from; the next run reuses it if only members changed. */
  readonly draft: FamilyDraft;
  readonly tuples: NftSet;
}

/** The entry chain of a class, and its port maps with their chains. */
export interface ClassChain {
  readonly chain: Chain;
  readonly ports: PortMaps;
}

/** The lookups of a class, without empty sets. */
interface ClassLookups extends Omit<Lookups, 'maps'> {
  /** The lookups behind ports. */
  readonly entries: readonly PortEntry[];
}

/** @param known an earlier class of the same spec. Unchanged parts are the same objects; changed sets cost work proportional to the change. */
export function buildClass({ rules, families: drafts }: ClassDraft, known?: BuiltClass): BuiltClass {
  if (!drafts) return { families: undefined };
  const [ipv4, ipv6] = drafts.map((draft) => buildFamily(draft, rules, known?.families?.[draft.family]));
  return { families: { ipv4: ipv4!, ipv6: ipv6! } };
}

function buildFamily(draft: FamilyDraft, { spec, openPorts }: ClassRules, known: FamilyClass | undefined): FamilyClass {
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries = [...(openPorts.length > 0 ? [{ ports: openPorts }] : []), ...portEntries(draft)];
  const rest = everyPort(draft).filter(holds);
  const lookups: ClassLookups = { allows, entries, rest };
  const hasSameChains = known !== undefined && areChainsSame(known.lookups, lookups);
  const chainOf = (reading: Reading): ClassChain => {
    const { direction } = spec;
    const ports = portMaps(direction, reading, entries, rest);
    return { chain: lookupsChain(direction, reading, { allows, maps: ports.maps, rest }), ports };
  };
  const chains = hasSameChains
    ? known.chains
    : { original: chainOf('original'), reply: chainOf('reply'), error: chainOf('error') };
  const costOfChains = hasSameChains ? known.costOfChains : countChains(chains);
  const behindPorts = entries.flatMap(({ allow }: PortEntry) => allow ?? []);
  const { reads } = chains.original.ports;
  const read = [...allows, ...behindPorts.filter(({ set }) => reads.has(set.name)), ...rest];
  return { chains, sets: read.map(({ set }) => set), lookups, costOfChains, draft, tuples };
}

/** Whether the lookups make equal chains. Equal ports in another array count as different. */
function areChainsSame(a: ClassLookups, b: ClassLookups): boolean {
  return (
    isSameList(a.allows, b.allows, isSameAllow) &&
    isSameList(
      a.entries,
      b.entries,
      (one, other) => one.ports === other.ports && isSameAllow(one.allow, other.allow),
    ) &&
    isSameList(a.rest, b.rest, isSameAllow)
  );
}

function isSameAllow(a: Allow | undefined, b: Allow | undefined): boolean {
  return a?.on === b?.on && a?.set.name === b?.set.name;
}

/** The cost for nft in units of `budgets.ts`. Elements of shared group sets do not count. */
export function costOf({ families: built }: BuiltClass): number {
  let cost = 0;
  for (const { costOfChains, sets, draft } of Object.values(built ?? {})) {
    const shared = new Set(draft.limits.sharesGroups ? groupSetsOfFamily(draft) : []);
    cost += costOfChains;
    for (const set of sets) cost += costOfSet + (shared.has(set) ? 0 : costOfElements(set));
  }
  return cost;
}

/** A rule costs 5 (docs/decisions/0014). */
function countChains(chains: FamilyClass['chains']): number {
  let cost = 0;
  for (const { chain, ports } of Object.values(chains)) {
    for (const map of ports.maps) cost += costOfSet + costOfElements(map);
    for (const { rules } of [chain, ...ports.chains]) cost += 5 * (1 + rules.length);
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

/** The cheapest lookups come first: groups, blocks, blocks with ports. */
function portEntries({ family, pairedMembers, pairedBlocks, writtenBlocks }: FamilyDraft): PortEntry[] {
  const { ports, set } = writtenBlocks();
  const entries: (PortEntry & { readonly allow: Allow })[] = [
    ...pairedMembers.map((each) => ({ ports: each.ports, allow: { family, on: 'peer', set: each.peers } as const })),
    ...pairedBlocks.map(({ ports: each, peers }) => ({ ports: each, allow: blocksAllow(family, peers) })),
    { ports, allow: { family, on: 'peer . protocol . port', set: set() } },
  ];
  return entries.filter(({ allow }) => holds(allow));
}

function everyPort({ family, anyMembers, anyBlocks }: FamilyDraft): Allow[] {
  return [...anyMembers.map((set) => ({ family, on: 'peer', set }) as const), blocksAllow(family, anyBlocks)];
}

function blocksAllow(family: Family, ranges: readonly AddressRange[]): Allow {
  return { family, on: 'peer . protocol', set: rangesSet(family, ranges) };
}
