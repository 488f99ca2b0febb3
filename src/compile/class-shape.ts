import { isSameList } from '../lib/is-same-list.ts';
import type { AddressRange, Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { allowText, lookupsChain, setsOfAllow, type Allow, type Lookups } from './allow.ts';
import { costOfSet } from './budgets.ts';
import { everyoneOf, type ClassDraft, type Entry, type FamilyDraft } from './class-draft.ts';
import { mapNext, type ClassSpec, type Next } from './class-spec.ts';
import { audits, denials, selfDenials } from './denials.ts';
import { costOfIntervals } from './interval-costs.ts';
import { addressField, goTo, isIn } from './match.ts';
import { chainNames, selfSetName, type Reading } from './names.ts';
import { portMaps, type PortEntry, type PortMaps } from './port-map.ts';
import type { ClassRules } from './resolve.ts';
import { rangesSet } from './set-builder.ts';
import type { Parts } from './table.ts';
import { tuplesOf } from './tuples.ts';

/** The nftables objects of one class. */
export interface BuiltClass {
  /** `undefined` if the class allows all traffic: its pods need no lookup in this direction. */
  readonly families: Readonly<Record<Family, FamilyClass>> | undefined;
}

export interface FamilyClass {
  readonly chains: Readonly<Record<Reading, ClassChain>>;
  /** The sets that its own lookups read. */
  readonly sets: readonly NftSet[];
  /** Everything that the chains depend on. */
  readonly lookups: ClassLookups;
  /** What the chains and their port maps cost. */
  readonly costOfChains: number;
  /** The draft that it was built from; the next run reuses it if only members changed. */
  readonly draft: FamilyDraft;
  readonly tuples: NftSet;
  /** The classes that its chains lead to (`linkClass`). */
  readonly next: readonly FamilyClass[];
}

/** The entry chain of a class, and its port maps with their chains. */
export interface ClassChain {
  readonly chain: Chain;
  readonly ports: PortMaps;
  /** The chain for packets that no lookup allows, if `next.itself` judges those of the pod to itself. */
  readonly denied?: Chain;
}

/** The lookups of a class, without empty sets. */
interface ClassLookups extends Omit<Lookups, 'maps'> {
  /** The lookups behind ports. */
  readonly entries: readonly PortEntry[];
}

/** @param known an earlier class of the same spec. Unchanged parts are the same objects; changed sets cost work proportional to the change. */
export function buildClass(
  { rules, families: drafts }: ClassDraft,
  next: Next<BuiltClass> = {},
  known?: BuiltClass,
): BuiltClass {
  if (!drafts) return { families: undefined };
  const [ipv4, ipv6] = drafts.map((draft) => {
    return buildFamily(draft, rules, inFamily(next, draft.family), known?.families?.[draft.family]);
  });
  return { families: { ipv4: ipv4!, ipv6: ipv6! } };
}

/** A class that allows all traffic judges nothing. */
function inFamily(next: Next<BuiltClass>, family: Family): Next<FamilyClass> {
  return mapNext(next, ({ families: built }) => built?.[family]) as Next<FamilyClass>;
}

/** Whether the chains of the class lead to these classes. */
export function leadsTo({ families: built }: BuiltClass, spec: ClassSpec, next: Next<BuiltClass>): boolean {
  return Object.values(built ?? {}).every(({ draft, lookups }) => {
    const { allowed, deny } = targetsOf(spec, draft.family, inFamily(next, draft.family), 'original');
    return lookups.allowed === allowed && lookups.deny === deny.name;
  });
}

/** The class with the classes that its chains lead to, as they are now. Later steps compare it by identity. */
export function linkClass(built: BuiltClass, next: Next<BuiltClass>): BuiltClass {
  const wanted = [next.allowed, next.denied, next.itself];
  if (wanted.every((each) => each === undefined)) return built;
  const known = linkedOf.get(built);
  if (known && isSameList(known.next, wanted, (a, b) => a === b)) return known.linked;
  const link = (family: Family): FamilyClass => {
    const behind = wanted.flatMap((each) => each?.families?.[family] ?? []);
    return { ...built.families![family], next: behind };
  };
  // If NetworkPolicies allow all traffic, the ordered rules alone judge it.
  const linked = built.families ? { families: { ipv4: link('ipv4'), ipv6: link('ipv6') } } : (next.allowed ?? built);
  linkedOf.set(built, { next: wanted, linked });
  return linked;
}

const linkedOf = new WeakMap<
  BuiltClass,
  { readonly next: readonly (BuiltClass | undefined)[]; readonly linked: BuiltClass }
>();

/** Where the chains of a class lead packets in one reading. */
function targetsOf(
  { direction, role, isIsolated }: ClassSpec,
  family: Family,
  { allowed, denied, itself }: Next<FamilyClass>,
  reading: Reading,
): { readonly allowed: string | undefined; readonly deny: { readonly name: string; readonly chain?: Chain } } {
  if (role === 'audit') return { allowed: undefined, deny: { name: chainNames.wouldDeny[direction] } };
  const nameOf = (next: FamilyClass): string => next.chains[reading].chain.name;
  const ofSelf = itself && selfChain(direction, family, nameOf(itself));
  const common = chainNames[isIsolated ? 'deny' : 'denySelf'][direction];
  const deny = ofSelf ? { name: ofSelf.name, chain: ofSelf } : { name: denied ? nameOf(denied) : common };
  return { allowed: allowed && nameOf(allowed), deny };
}

function buildFamily(
  draft: FamilyDraft,
  rules: ClassRules,
  next: Next<FamilyClass>,
  known: FamilyClass | undefined,
): FamilyClass {
  const { spec, openPorts, closedPorts } = rules;
  const tuples = tuplesOf(draft, spec, known?.draft, known?.tuples);
  const allows = [{ family: draft.family, on: 'peer . protocol . port', set: tuples } as const].filter(holds);
  const entries: PortEntry[] = [
    ...(openPorts.length > 0 ? [{ ports: openPorts }] : []),
    ...portEntries(draft),
    ...(closedPorts.length > 0 ? [{ ports: closedPorts, allow: 'closed' } as const] : []),
  ];
  const rest = everyPort(draft).filter(holds);
  const { allowed, deny } = targetsOf(spec, draft.family, next, 'original');
  const lookups: ClassLookups = { allows, entries, rest, allowed, deny: deny.name };
  const hasSameChains = known !== undefined && areChainsSame(known.lookups, lookups);
  const chainOf = (reading: Reading): ClassChain => {
    const to = targetsOf(spec, draft.family, next, reading);
    const then = { rest, allowed: to.allowed, deny: to.deny.name };
    const ports = portMaps(spec, reading, entries, then);
    const chain = lookupsChain(spec, reading, { allows, maps: ports.maps, ...then });
    return { chain, ports, ...(to.deny.chain && { denied: to.deny.chain }) };
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
  return { chains, sets: [...new Set(read)], lookups, costOfChains, draft, tuples, next: [] };
}

/** Whether the lookups make equal chains. Equal ports in another array count as different. */
function areChainsSame(a: ClassLookups, b: ClassLookups): boolean {
  return (
    a.deny === b.deny &&
    a.allowed === b.allowed &&
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
  for (const each of Object.values(chains)) {
    const { maps, chains: all } = partsOfChain(each);
    for (const map of maps) cost += costOfSet + costOfElements(map);
    for (const { rules } of all) cost += 5 * (1 + rules.length);
  }
  return cost;
}

function partsOfChain({ chain, ports, denied }: ClassChain): Omit<Parts, 'sets'> {
  return { maps: ports.maps, chains: [chain, ...ports.chains, ...(denied ? [denied] : [])] };
}

/** Everything that packets of a class meet. Objects may occur several times. */
export function partsOfClass({ direction, family }: Place, { chains, sets, lookups, next }: FamilyClass): Parts {
  const own = Object.values(chains).map(partsOfChain);
  const behind = [denials[family][direction], ...next.map((each) => partsOfClass({ direction, family }, each))];
  const ofSelf = lookups.deny === chainNames.denySelf[direction] ? [selfDenials[family][direction]] : [];
  return {
    sets: [...sets, ...behind.flatMap((each) => each.sets)],
    maps: [...own, ...behind].flatMap((each) => each.maps),
    chains: [...[...own, ...behind].flatMap((each) => each.chains), ...ofSelf],
  };
}

/** Everything that packets meet in an audit: its chains judge packets of the opener only. */
export function partsOfAudit(place: Place, { chains, sets }: FamilyClass): Parts {
  const own = partsOfChain(chains.original);
  const behind = audits[place.family][place.direction];
  return {
    sets: [...sets, ...behind.sets],
    maps: own.maps,
    chains: [...own.chains, ...behind.chains],
  };
}

interface Place {
  readonly direction: Direction;
  readonly family: Family;
}

/** The chain for packets that no lookup allows: NetworkPolicies let a pod reach itself, so only the other rules decide about that. */
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
  return Object.values(built ?? {}).flatMap(({ sets }) => sets);
}

/** All group sets that its drafts use: written out as tuples, looked up, or empty. */
export function groupSetsOf({ families: built }: BuiltClass): NftSet[] {
  return Object.values(built ?? {}).flatMap(({ draft }) => groupSetsOfFamily(draft));
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

function blocksAllow(family: Family, { peers, unless, holes }: Entry<readonly AddressRange[]>): Allow {
  if (peers === everyoneOf[family]) return { family, on: 'everyone', unless, holes: holes && rangesSet(family, holes) };
  return { family, on: 'peer . protocol', set: rangesSet(family, peers), unless };
}
