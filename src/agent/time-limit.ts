import type { Operation } from '../nftables/ruleset.ts';

/** Limits of the time for one nft transaction, in milliseconds: many times what nft needs, and short enough for other changes to wait. */
const shortest = 5000;
const longest = 60_000;
/** An element takes 0.002 to 0.01 ms, a rule 0.01, and a set or chain less than 0.1 (docs/decisions/0014). */
const perEntry = 0.1;

/** Milliseconds. A retry of a refused policy delays all other changes, so it must be short (S7.19). */
export const retryLimit = 1000;

export function timeLimitOf(operations: readonly Operation[]): number {
  const entries = operations.reduce((sum, operation) => sum + entriesIn(operation), 0);
  return Math.min(longest, shortest + Math.ceil(perEntry * entries));
}

function entriesIn(operation: Operation): number {
  switch (operation.verb) {
    case 'add set':
      return 1 + operation.set.elements.size;
    case 'add map':
      return 1 + operation.map.elements.size;
    case 'add chain':
    case 'replace rules':
      return 1 + operation.chain.rules.length;
    case 'add elements':
    case 'delete elements':
    case 'delete mappings':
      return operation.elements.length;
    case 'add mappings':
      return operation.elements.size;
    default:
      return 1;
  }
}
