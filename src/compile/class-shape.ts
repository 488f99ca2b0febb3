import { sorted, compareText } from '../lib/sort.ts';
import { shortHash } from '../lib/hash.ts';
import { families, familyOf, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, Element, Field, NftRule, NftSet } from '../nftables/ruleset.ts';
import { endFields } from './base-chains.ts';
import type { ClassSpec } from './class-spec.ts';
import { chainNames, type Orientation } from './names.ts';
import { hasInterval, portRangeText, portSetOf, type PortRange } from './port-set.ts';
import type { Rectangle } from './rectangles.ts';
import { resolveClass, type Bucket, type Groups } from './resolve.ts';
import { portsSet, rangesSet, rectanglesSet, tuplesSet, type GroupSets } from './set-builder.ts';

export interface ShapeLimits {
  /** Peers times ports are written out up to here; beyond it, peers and ports are two look-ups of one rule. */
  readonly product: number;
  /** How many such rules a class may have for pods, and as many for blocks: what bounds the look-ups of a packet. */
  readonly sharedRules: number;
}

export const defaultLimits: ShapeLimits = { product: 512, sharedRules: 4 };

/** What the kernel needs for one class. No chains where all traffic is allowed: its pods need no look-up in this direction. */
export interface BuiltClass {
  readonly chains: Readonly<Record<Orientation, Chain>> | undefined;
  readonly sets: readonly NftSet[];
}

/** One look-up that allows: the parts that must all hold. */
type Allow = readonly {
  readonly on: 'peer' | 'peer . protocol' | 'peer . protocol . port' | 'protocol . port';
  readonly set: NftSet;
  readonly family?: Family;
}[];

export function buildClass(spec: ClassSpec, groups: Groups, groupSets: GroupSets, limits: ShapeLimits): BuiltClass {
  const { buckets, named } = resolveClass(spec, groups);
  if (buckets.some((bucket) => bucket.everyone && bucket.ports === 'any')) {
    return { chains: undefined, sets: [] };
  }
  const allows: Allow[] = [...everyoneAllows(buckets)];
  for (const family of families) allows.push(...familyAllows(family, spec, buckets, named, groups, groupSets, limits));
  const chains = {
    original: chainOf(spec.direction, 'original', allows),
    reply: chainOf(spec.direction, 'reply', allows),
  };
  return { chains, sets: allows.flatMap((allow) => allow.map((part) => part.set)) };
}

/** Ports that are open to everyone. */
function everyoneAllows(buckets: readonly Bucket[]): Allow[] {
  const ports = buckets.filter((bucket) => bucket.everyone).flatMap((bucket) => bucket.ports as readonly PortRange[]);
  return ports.length === 0
    ? []
    : [[{ on: 'protocol . port', set: portsSet(portSetOf(ports) as readonly PortRange[]) }]];
}

/** Cheapest first: exact tuples, peers on every protocol, blocks with ports, blocks on every protocol, then the shared pairs. */
function familyAllows(
  family: Family,
  spec: ClassSpec,
  buckets: readonly Bucket[],
  named: ReadonlyMap<string, readonly PortRange[]>,
  groups: Groups,
  groupSets: GroupSets,
  limits: ShapeLimits,
): Allow[] {
  const tuples = new Set<Element>();
  const rectangles: Rectangle[] = [];
  const shared: Allow[] = [];
  const portless = buckets.find((bucket) => bucket.ports === 'any');

  const members: { bucket: Bucket; set: NftSet; ports: readonly PortRange[] }[] = [];
  const blocks: { ranges: readonly AddressRange[]; ports: readonly PortRange[] }[] = [];
  for (const bucket of buckets) {
    if (bucket.ports === 'any') continue;
    if (bucket.groups.size > 0) {
      members.push({ bucket, set: groupSets.get(family, sorted(bucket.groups), groups), ports: bucket.ports });
    }
    const ranges = bucket.ranges.filter((range) => range.family === family);
    if (ranges.length > 0) blocks.push({ ranges, ports: bucket.ports });
  }

  const pairedMembers = largest(limits, members, ({ set, ports }) =>
    hasInterval(ports) || set.elements.size * ports.length > limits.product ? set.elements.size : 0,
  );
  for (const entry of members) {
    const { set, ports } = entry;
    if (pairedMembers.has(entry)) {
      shared.push([
        { on: 'peer', set, family },
        { on: 'protocol . port', set: portsSet(ports) },
      ]);
    } else if (hasInterval(ports)) {
      for (const address of set.elements) rectangles.push({ range: singleAddress(family, address), ports });
    } else {
      for (const address of set.elements) for (const port of ports) tuples.add(`${address} . ${portRangeText(port)}`);
    }
  }
  for (const [address, ports] of named) {
    if (familyOf(address) === family) for (const port of ports) tuples.add(`${address} . ${portRangeText(port)}`);
  }
  const pairedBlocks = largest(limits, blocks, ({ ranges, ports }) =>
    ranges.length * ports.length > limits.product ? ranges.length : 0,
  );
  for (const entry of blocks) {
    if (pairedBlocks.has(entry)) {
      const set = rangesSet(family, entry.ranges);
      shared.push([
        { on: 'peer . protocol', set, family },
        { on: 'protocol . port', set: portsSet(entry.ports) },
      ]);
    } else for (const range of entry.ranges) rectangles.push({ range, ports: entry.ports });
  }

  const allows: Allow[] = [[{ on: 'peer . protocol . port', set: tuplesSet(family, spec.text, tuples), family }]];
  if (portless && portless.groups.size > 0) {
    allows.push([{ on: 'peer', set: groupSets.get(family, sorted(portless.groups), groups), family }]);
  }
  allows.push([{ on: 'peer . protocol . port', set: rectanglesSet(family, rectangles), family }]);
  const ranges = portless?.ranges.filter((range) => range.family === family) ?? [];
  allows.push([{ on: 'peer . protocol', set: rangesSet(family, ranges), family }], ...shared);
  return allows.filter((allow) => allow.every((part) => part.set.elements.size > 0));
}

/** The entries that gain most from a rule of their own; those of weight 0 never. */
function largest<T extends { ports: readonly PortRange[] }>(
  limits: ShapeLimits,
  entries: readonly T[],
  weight: (entry: T) => number,
): ReadonlySet<T> {
  const ranked = entries
    .map((entry) => ({ entry, weight: weight(entry), text: entry.ports.map(portRangeText).join() }))
    .filter((each) => each.weight > 0)
    .sort((a, b) => b.weight - a.weight || compareText(a.text, b.text));
  return new Set(ranked.slice(0, limits.sharedRules).map((each) => each.entry));
}

/** Named by what it looks up, the same in both orientations: a chain never changes, another class is another chain. */
function chainOf(direction: Direction, orientation: Orientation, allows: readonly Allow[]): Chain {
  const rules = allows.map((allow): NftRule => ({
    matches: allow.map((part) => ({
      kind: 'lookup',
      key: keyFields(direction, orientation, part.on, part.family),
      set: part.set.name,
    })),
    verdict: { kind: 'return' },
  }));
  rules.push({ matches: [], verdict: { kind: 'goto', chain: chainNames.deny[direction] } });
  const hash = shortHash(JSON.stringify(allows.map((allow) => allow.map(({ on, set }) => [on, set.name]))));
  return { name: `${direction}-${hash}${orientation === 'reply' ? '-r' : ''}`, rules };
}

function keyFields(
  direction: Direction,
  orientation: Orientation,
  on: Allow[number]['on'],
  family: Family | undefined,
): Field[] {
  const port: Field = orientation === 'original' ? 'th dport' : 'th sport';
  if (on === 'protocol . port') return ['meta l4proto', port];
  const { peer } = endFields(direction, family!, orientation);
  switch (on) {
    case 'peer':
      return [peer];
    case 'peer . protocol':
      return [peer, 'meta l4proto'];
    case 'peer . protocol . port':
      return [peer, 'meta l4proto', port];
  }
}

function singleAddress(family: Family, address: string): AddressRange {
  const { value } = parseAddress(address)!;
  return { family, first: value, last: value };
}
