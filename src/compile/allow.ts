import { shortHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, Field, NftRule, NftSet } from '../nftables/ruleset.ts';
import { endFields } from './match.ts';
import { chainNames, type Orientation } from './names.ts';

interface Part {
  readonly on: 'peer' | 'peer . protocol' | 'peer . protocol . port' | 'protocol . port';
  readonly set: NftSet;
}

/** One rule of a class: look-ups that must all hit. Without a family it reads ports only, and serves both. */
export interface Allow {
  readonly family?: Family;
  readonly parts: readonly Part[];
}

export function allow(family: Family | undefined, ...parts: readonly Part[]): Allow {
  return family ? { family, parts } : { parts };
}

/** Named by what it looks up, the same in both orientations: a chain never changes, another class is another chain. */
export function classChain(direction: Direction, orientation: Orientation, allows: readonly Allow[]): Chain {
  const rules = allows.map(({ family, parts }): NftRule => {
    const matches = parts.map(({ on, set }) => {
      return { kind: 'lookup', key: keyFields(direction, orientation, on, family), set: set.name } as const;
    });
    return { matches, verdict: { kind: 'return' } };
  });
  rules.push({ matches: [], verdict: { kind: 'goto', chain: chainNames.deny[direction] } });
  const hash = shortHash(JSON.stringify(allows.map(({ parts }) => parts.map(({ on, set }) => [on, set.name]))));
  return { name: `${direction}-${hash}${orientation === 'reply' ? '-r' : ''}`, rules };
}

function keyFields(
  direction: Direction,
  orientation: Orientation,
  on: Part['on'],
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
