import { contentHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, Field, NftRule, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { endFields, isIn, isNotIn, portFields } from './match.ts';
import { chainNames, readingName, type Reading } from './names.ts';

/** One rule of a class: it allows packets whose key is in the set, unless the peer is in the other set. */
export type Allow = {
  readonly family: Family;
  readonly unless?: NftSet | undefined;
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
  /** The chain for all other packets. */
  readonly deny: string;
}

/** The sets that the rule looks up. */
export function setsOfAllow({ set, unless }: Allow): NftSet[] {
  return [unless, set].filter((each) => each !== undefined);
}

/** The chain's name is a hash of its lookups. A chain never changes: other lookups make another chain. */
export function lookupsChain(
  direction: Direction,
  reading: Reading,
  { allows, maps = [], rest, deny }: Lookups,
): Chain {
  const rulesOf = (each: readonly Allow[]): NftRule[] => each.map((allow) => allowRule(direction, reading, allow));
  const rules: NftRule[] = [
    ...rulesOf(allows),
    ...maps.map(({ name }): NftRule => ({
      matches: [],
      verdict: { kind: 'vmap', key: portFields(reading), map: name },
    })),
    ...rulesOf(rest),
    { matches: [], verdict: { kind: 'goto', chain: deny } },
  ];
  const target = deny === chainNames.deny[direction] ? [] : [deny];
  const hash = contentHash(
    [allowsText(allows), ...maps.map(({ name }) => name), allowsText(rest), ...target].join('\n'),
  );
  return { name: readingName(`${direction}-${hash}`, reading), rules };
}

function allowRule(direction: Direction, reading: Reading, allow: Allow): NftRule {
  const { family, on, set, unless } = allow;
  const matches = [
    ...(unless ? [isNotIn(unless.name, ...keyFields(direction, reading, family, 'peer'))] : []),
    ...(set ? [isIn(set.name, ...keyFields(direction, reading, family, on))] : []),
  ];
  return { matches, verdict: { kind: 'return' } };
}

function allowsText(allows: readonly Allow[]): string {
  return allows.map(allowText).join();
}

/** Rules with equal texts are equal. */
export function allowText({ on, set, unless }: Allow): string {
  return [on, ...(set ? [`@${set.name}`] : []), ...(unless ? [`!@${unless.name}`] : [])].join(' ');
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
