import { isSameList } from '../lib/is-same-list.ts';
import type { AddressRange, Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { allowText, lookupsChain, setsOfAllow, type Allow, type Lookups } from './allow.ts';
import { costOfSet } from './budgets.ts';
import { everyoneOf, type ClassDraft, type Entry, type FamilyDraft } from './class-draft.ts';
import { costOfIntervals } from './interval-rules.ts';
import { addressField, goTo, isIn } from './match.ts';
import { chainNames, selfSetName, type Reading } from './names.ts';
import { portMaps, type PortEntry, type PortMaps } from './port-map.ts';
import type { ClassRules } from './resolve.ts';
import { rangesSet } from './set-builder.ts';
import { tuplesOf } from './tuples.ts';

/** The nftables objects of one class. */
export interface BuiltClass {
  /** `undefined` if the class allows all traffic: its pods need no lookup in this direction. */
  readonly families: Readonly<Record<Family, FamilyClass>> | undefined;
  /** Of the pod's traffic to itself, where it differs. */
  readonly self?: BuiltClass;
}

export interface FamilyClass {
  readonly chains: Readonly<Record<Reading, ClassChain>>;
  /** The sets that its own lookups read. */
  readonly sets: readonly NftSet[];
  /** Of the pod's traffic to itself, where it differs. */
  readonly self: FamilyClass | undefined;
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
  /** The chain for packets that no lookup allows, if it is not the common one, and what the pod's traffic to itself meets behind it. */
  readonly denied?: { readonly chain: Chain; readonly self: ClassChain };
}

/** The lookups of a class, without empty sets. */
interface ClassLookups extends Omit<Lookups, 'maps'> {
  /** The lookups behind ports. */
  readonly entries: readonly PortEntry[];
}

/** @param known an earlier class of the same spec. Unchanged parts are the same objects; changed sets cost work proportional to the change. */
export function buildClass({ rules, families: drafts, self: selfDraft }: ClassDraft, known?: BuiltClass): BuiltClass {
  if (!drafts) return { families: undefined };
  const self = selfDraft && buildClass(selfDraft, known?.self);
  const [ipv4, ipv6] = drafts.map((draft) => {
    return buildFamily(draft, rules, known?.families?.[draft.family], self?.families?.[draft.family]);
  });
  return { families: { ipv4: ipv4!, ipv6: ipv6! }, ...(self && { self }) };
}

/** @param self the class of the pod's traffic to itself, if that may be denied */
function buildFamily(
  draft: FamilyDraft,
  rules: ClassRules,
  known: FamilyClass | undefined,
  self: FamilyClass | undefined,
): FamilyClass {
  const { spec, openPorts, closedPorts } = rules;
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries: PortEntry[] = [
    ...(openPorts.length > 0 ? [{ ports: openPorts }] : []),
    ...portEntries(draft),
    ...(closedPorts.length > 0 ? [{ ports: closedPorts, allow: 'closed' } as const] : []),
  ];
  const common = chainNames[spec.isIsolated ? 'deny' : 'denySelf'][spec.direction];
  const deniedIn = (reading: Reading) => {
    const chain = self?.chains[reading];
    return chain && { chain: selfChain(spec.direction, draft.family, chain.chain.name), self: chain };
  };
  const deny = deniedIn('original')?.chain.name ?? common;
  const rest = everyPort(draft).filter(holds);
  const lookups: ClassLookups = { allows, entries, rest, deny };
  const hasSameChains = known !== undefined && areChainsSame(known.lookups, lookups);
  const chainOf = (reading: Reading): ClassChain => {
    const { direction } = spec;
    const denied = deniedIn(reading);
    const to = denied?.chain.name ?? common;
    const ports = portMaps(direction, reading, entries, rest, to);
    const chain = lookupsChain(direction, reading, { allows, maps: ports.maps, rest, deny: to });
    return { chain, ports, ...(denied && { denied }) };
  };
  const chains = hasSameChains
    ? known.chains
    : { original: chainOf('original'), reply: chainOf('reply'), error: chainOf('error') };
  const costOfChains = hasSameChains ? known.costOfChains : countChains(chains);
  const behindPorts = entries.flatMap(({ allow }) =>
    allow === undefined || allow === 'closed' ? [] : setsOfAllow(allow),
  );
  const { reads } = chains.original.ports;
  const read = [
    ...allows.flatMap(setsOfAllow),
    ...behindPorts.filter(({ name }) => reads.has(name)),
    ...rest.flatMap(setsOfAllow),
  ];
  return { chains, sets: [...new Set(read)], self, lookups, costOfChains, draft, tuples };
}

/** Whether the lookups make equal chains. Equal ports in another array count as different. */
function areChainsSame(a: ClassLookups, b: ClassLookups): boolean {
  return (
    a.deny === b.deny &&
    isSameList(a.allows, b.allows, isSameAllow) &&
    isSameList(
      a.entries,
      b.entries,
      (one, other) => one.ports === other.ports && isSameEntry(one.allow, other.allow),
    ) &&
    isSameList(a.rest, b.rest, isSameAllow)
  );
}

function isSameEntry(a: PortEntry['allow'], b: PortEntry['allow']): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return isSameAllow(a, b);
}

function isSameAllow(a: Allow, b: Allow): boolean {
  return allowText(a) === allowText(b);
}

/** The cost for nft in units of `budgets.ts`. Elements of shared group sets do not count, nor those that no namespace pays for. */
export function costOf({ families: built }: BuiltClass): number {
  let cost = 0;
  for (const { costOfChains, sets, draft } of Object.values(built ?? {})) {
    const shared = new Set(draft.limits.sharesGroups ? groupSetsOfFamily(draft) : draft.ofCluster);
    cost += costOfChains;
    for (const set of sets) cost += costOfSet + (shared.has(set) ? 0 : costOfElements(set));
  }
  return cost;
}

/** A rule costs 5 (docs/decisions/0014). */
function countChains(chains: FamilyClass['chains']): number {
  let cost = 0;
  for (const each of Object.values(chains)) {
    const { maps, chains: all } = partsOfChain(each);
    for (const map of maps) cost += costOfSet + costOfElements(map);
    for (const { rules } of all) cost += 5 * (1 + rules.length);
  }
  return cost;
}

/** The chains and port maps that packets of a class meet before the common chains. */
export function partsOfChain({ chain, ports, denied }: ClassChain): {
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
} {
  const behind = denied ? partsOfChain(denied.self) : { maps: [], chains: [] };
  return {
    maps: [...ports.maps, ...behind.maps],
    chains: [chain, ...ports.chains, ...(denied ? [denied.chain] : []), ...behind.chains],
  };
}

/** The chain for packets that no lookup of a class allows: NetworkPolicies let a pod reach itself, so only the other rules decide about that. */
function selfChain(direction: Direction, family: Family, toItself: string): Chain {
  const { source, destination } = addressField[family];
  const isItself = isIn(selfSetName[family], source, destination);
  return {
    name: `self-${toItself}`,
    rules: [
      { matches: [isItself], verdict: goTo(toItself) },
      { matches: [], verdict: goTo(chainNames.deny[direction]) },
    ],
  };
}

/** A concatenated key takes nft five times as long as an address (docs/decisions/0014). */
function costOfElements(set: NftSet | VerdictMap): number {
  if (set.interval) return costOfIntervals(set);
  return set.elements.size * (set.key.length === 1 ? 1 : 5);
}

/** The sets that its chains look up. */
export function setsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(setsOfFamily);
}

/** With those for the pod's traffic to itself. */
export function setsOfFamily({ sets, self }: FamilyClass): readonly NftSet[] {
  return self ? [...sets, ...setsOfFamily(self)] : sets;
}

/** All group sets that its drafts use: written out as tuples, looked up, or empty. */
export function groupSetsOf({ families: built, self }: BuiltClass): NftSet[] {
  const ofSelf = self ? groupSetsOf(self) : [];
  return [...Object.values(built ?? {}).flatMap(({ draft }) => groupSetsOfFamily(draft)), ...ofSelf];
}

function groupSetsOfFamily({ members, pairedMembers, anyMembers, excepts }: FamilyDraft): NftSet[] {
  return [...[...members, ...pairedMembers].map(({ peers }) => peers), ...anyMembers, ...excepts];
}

function holds({ set }: Allow): boolean {
  return set === undefined || set.elements.size > 0;
}

/** The cheapest lookups come first: groups, blocks, blocks with ports. */
function portEntries({ family, pairedMembers, pairedBlocks, writtenBlocks, excepts }: FamilyDraft): PortEntry[] {
  // `writtenBlocks` may be of an earlier draft, when the same sets had other members.
  const current = new Map(excepts.map((set) => [set.name, set]));
  const entries: (PortEntry & { readonly allow: Allow })[] = [
    ...pairedMembers.map((each) => ({ ports: each.ports, allow: { family, on: 'peer', set: each.peers } as const })),
    ...pairedBlocks.map((each) => ({ ports: each.ports, allow: blocksAllow(family, each) })),
    ...writtenBlocks().map(({ ports, set, unless }) => {
      return {
        ports,
        allow: {
          family,
          on: 'peer . protocol . port',
          set: set(),
          unless: unless && current.get(unless.name),
        } as const,
      };
    }),
  ];
  return entries.filter(({ allow }) => holds(allow));
}

function everyPort({ family, anyMembers, anyBlocks }: FamilyDraft): Allow[] {
  return [
    ...anyMembers.map((set) => ({ family, on: 'peer', set }) as const),
    ...anyBlocks.map((each) => blocksAllow(family, each)),
  ];
}

function blocksAllow(family: Family, { peers, unless }: Entry<readonly AddressRange[]>): Allow {
  if (peers === everyoneOf[family]) return { family, on: 'everyone', unless };
  return { family, on: 'peer . protocol', set: rangesSet(family, peers), unless };
}
