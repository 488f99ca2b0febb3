import type { Chain, NftSet, Verdict, VerdictMap } from './ruleset.ts';

/** Names that a chain's rules or a map's elements refer to, one per reference. A set refers to nothing. */
export function referencesOf(object: Chain | VerdictMap | NftSet): string[] {
  if ('rules' in object) {
    return object.rules.flatMap(({ matches, verdict }) => [
      ...matches.flatMap((match) => (match.kind === 'lookup' ? [match.set] : [])),
      ...referenceOf(verdict),
    ]);
  }
  return object.elements instanceof Map ? [...object.elements.values()].flatMap(referenceOf) : [];
}

function referenceOf(verdict: Verdict): string[] {
  if (verdict.kind === 'vmap') return [verdict.map];
  if (verdict.kind === 'record' || verdict.kind === 'remember') return [verdict.set];
  return verdict.kind === 'jump' || verdict.kind === 'goto' ? [verdict.chain] : [];
}
