import { shortHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, Field, NftRule, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { endFields, portFields } from './match.ts';
import { chainNames, readingName, type Reading } from './names.ts';

/** One rule of a class: it allows packets whose key is in the set. */
export interface Allow {
  readonly family: Family;
  readonly on: 'peer' | 'peer . protocol' | 'peer . protocol . port';
  readonly set: NftSet;
}

/** The lookups of a chain, in order: `allows`, `maps`, `rest`. */
export interface Lookups {
  readonly allows: readonly Allow[];
  /** Port maps. */
  readonly maps?: readonly VerdictMap[];
  readonly rest: readonly Allow[];
}

/** The chain's name is a hash of its lookups. A chain never changes: other lookups make another chain. */
export function lookupsChain(direction: Direction, reading: Reading, { allows, maps = [], rest }: Lookups): Chain {
  const rulesOf = (each: readonly Allow[]): NftRule[] => each.map((allow) => allowRule(direction, reading, allow));
  const rules: NftRule[] = [
    ...rulesOf(allows),
    ...maps.map(({ name }): NftRule => ({
      matches: [],
      verdict: { kind: 'vmap', key: portFields(reading), map: name },
    })),
    ...rulesOf(rest),
    { matches: [], verdict: { kind: 'goto', chain: chainNames.deny[direction] } },
  ];
  const hash = shortHash([allowsText(allows), ...maps.map(({ name }) => name), allowsText(rest)].join('\n'));
  return { name: readingName(`${direction}-${hash}`, reading), rules };
}

function allowRule(direction: Direction, reading: Reading, allow: Allow): NftRule {
  const key = keyFields(direction, reading, allow);
  return { matches: [{ kind: 'lookup', key, set: allow.set.name }], verdict: { kind: 'return' } };
}

function allowsText(allows: readonly Allow[]): string {
  return allows.map(({ on, set }) => `${on} @${set.name}`).join();
}

function keyFields(direction: Direction, reading: Reading, { on, family }: Allow): Field[] {
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
