import { contentHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, ElementVerdict, Field, Match, NftRule, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import type { ClassSpec } from './class-spec.ts';
import { endFields, isIn, isNotIn, portFields } from './match.ts';
import { chainNames, readingName, roleName, type Reading } from './names.ts';

/** One rule of a class: it allows packets whose key is in the set, unless the peer is in one of the others. */
export type Allow = {
  readonly family: Family;
  readonly unless?: NftSet | undefined;
  /** Blocks. */
  readonly holes?: NftSet | undefined;
} & (
  | { readonly on: 'peer' | 'peer . protocol' | 'peer . protocol . port'; readonly set: NftSet }
  | { readonly on: 'everyone'; readonly set?: undefined }
);

/** The lookups of a chain, in order: `allows`, `maps`, `rest`. */
export interface Lookups {
  readonly allows: readonly Allow[];
  /** Port maps. */
  readonly maps?: readonly VerdictMap[];
  readonly rest: readonly Allow[];
  /** Where packets that a lookup allows go on. Missing: nowhere. */
  readonly allowed?: string | undefined;
  /** The chain for all other packets. */
  readonly deny: string;
}

/** The sets that the rule looks up. */
export function setsOfAllow({ set, unless, holes }: Allow): NftSet[] {
  return [unless, holes, set].filter((each) => each !== undefined);
}

/** What becomes of packets that the class allows. */
export function verdictOf(allowed: string | undefined): ElementVerdict {
  return allowed === undefined ? { kind: 'return' } : { kind: 'goto', chain: allowed };
}

/** The chain's name is a hash of its lookups. A chain never changes: other lookups make another chain. */
export function lookupsChain(
  { direction, role }: Pick<ClassSpec, 'direction' | 'role'>,
  reading: Reading,
  { allows, maps = [], rest, allowed, deny }: Lookups,
): Chain {
  const verdict = verdictOf(allowed);
  const rulesOf = (each: readonly Allow[]): NftRule[] => {
    return each.map((allow) => ({ matches: matchesOf(direction, reading, allow), verdict }));
  };
  const rules: NftRule[] = [
    ...rulesOf(allows),
    ...maps.map(({ name }): NftRule => ({
      matches: [],
      verdict: { kind: 'vmap', key: portFields(reading), map: name },
    })),
    ...rulesOf(rest),
    { matches: [], verdict: { kind: 'goto', chain: deny } },
  ];
  const targets = [
    ...(deny === chainNames.deny[direction] ? [] : [deny]),
    ...(allowed === undefined ? [] : [`allowed: ${allowed}`]),
  ];
  const hash = contentHash(
    [allowsText(allows), ...maps.map(({ name }) => name), allowsText(rest), ...targets].join('\n'),
  );
  return { name: readingName(`${roleName(direction, role)}-${hash}`, reading), rules };
}

function matchesOf(direction: Direction, reading: Reading, allow: Allow): Match[] {
  const { family, on, set, unless, holes } = allow;
  return [
    ...(unless ? [isNotIn(unless.name, ...keyFields(direction, reading, family, 'peer'))] : []),
    ...(holes ? [isNotIn(holes.name, ...keyFields(direction, reading, family, 'peer . protocol'))] : []),
    ...(set ? [isIn(set.name, ...keyFields(direction, reading, family, on))] : []),
  ];
}

function allowsText(allows: readonly Allow[]): string {
  return allows.map(allowText).join();
}

/** Rules with equal texts are equal. */
export function allowText({ on, set, unless, holes }: Allow): string {
  const others = [unless, holes].flatMap((each) => (each ? [`!@${each.name}`] : []));
  return [on, ...(set ? [`@${set.name}`] : []), ...others].join(' ');
}

function keyFields(
  direction: Direction,
  reading: Reading,
  family: Family,
  on: Exclude<Allow['on'], 'everyone'>,
): Field[] {
  const { peer } = endFields(direction, family, reading);
  switch (on) {
    case 'peer':
      return [peer];
    case 'peer . protocol':
      return [peer, portFields(reading)[0]!];
    case 'peer . protocol . port':
      return [peer, ...portFields(reading)];
  }
}
