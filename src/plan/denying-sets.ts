import type { Chain, Table } from '../nftables/ruleset.ts';
import { chainTarget, isOfAllowed, readsOf } from './reads.ts';

/**
 * Whether a table has a chain that may deny what the set contains. The chains of classes pass what their sets contain, except where a match is negated, and send the
 * rest elsewhere.
 */
export function mayDeny(setName: string, ...tables: readonly Table[]): boolean {
  return tables.some(({ chains }) => {
    let names = denying.get(chains);
    if (!names) denying.set(chains, (names = new Set(chains.values().flatMap(deniedBy))));
    return names.has(setName);
  });
}

/** For the chains of a table: the names of the sets that may deny. Most changes touch no chain. */
const denying = new WeakMap<Table['chains'], ReadonlySet<string>>();

/** The sets of the chain that may deny what they contain. */
function deniedBy(chain: Chain): Iterable<string> {
  if (!passesWhatMatches(chain)) return readsOf(chain);
  const matches = chain.rules.flatMap((rule) => rule.matches);
  return matches.flatMap((match) => (match.kind === 'lookup' && match.op === '!=' ? [match.set] : []));
}

function passesWhatMatches({ base, rules }: Chain): boolean {
  const last = rules.at(-1);
  if (base || !last || chainTarget(last.verdict) === undefined) return false;
  return rules.every(({ matches, verdict }, index) => {
    if (index === rules.length - 1) return matches.length === 0 && verdict.kind === 'goto';
    if (verdict.kind === 'vmap') return matches.length === 0;
    const allows = verdict.kind === 'return' || (verdict.kind === 'goto' && isOfAllowed(verdict.chain));
    return allows && matches.every((match) => match.kind === 'lookup');
  });
}
