import type { Change, Chain, NftSet, Ruleset, Table } from '../nftables/ruleset.ts';
import { mayDeny } from './denying-sets.ts';
import { readsOf } from './reads.ts';

/**
 * Flow sets remember packets that have passed (`compile/flows.ts`). **The invariant: a packet finds itself in a flow set only if the rules of now would
 * pass it.** It holds because each transaction after which the rules may deny a packet that passed before deletes the flow sets and makes empty ones
 * under the same names, together with the rules that read and fill them:
 *
 * - A packet that begins after the transaction has the new rules, and these refer to the new sets. It looks up elements that are at least as new as its
 *   rules, so what it adds has passed rules and elements of after the transaction.
 * - A packet that began before has the old rules, and these refer to the old sets, whatever it sees later (K26). Nothing reads these any more.
 * - Between two such transactions, changes only allow more. So what passed once would still pass.
 *
 * A change that is not known to only allow counts as one that takes away.
 */
export function withNewFlowSets(changes: readonly Change[], after: Table): readonly Change[] {
  const { chains, sets } = flowPartsOf(after);
  if (sets.length === 0) return changes;
  const others = changes.filter((change) => change.verb !== 'replace rules' || !chains.includes(change.chain));
  return [...others, { verb: 'renew sets', sets, chains }];
}

/** Whether the table before has a flow set of the table after, with whatever packets have added to it. */
export function hasFlowSets(before: Table, after: Table): boolean {
  return flowPartsOf(after).sets.some(({ name }) => before.sets.has(name));
}

/** Whether other chains of the table before refer to flow sets of the table after, so that nft would not delete these. Another program has renamed a chain. */
export function hasOtherReaders(before: Table, after: Table): boolean {
  const { chains, sets } = flowPartsOf(after);
  if (sets.length === 0) return false;
  const own = new Set(chains.map(({ name }) => name));
  return before.chains
    .values()
    .some((chain) => !own.has(chain.name) && sets.some(({ name }) => readsOf(chain).has(name)));
}

/** Whether flow sets that were read from the kernel have elements. Another program may have added some of them: these look like what packets add. */
export function haveFlows(ruleset: Ruleset = {}): boolean {
  return Object.values(ruleset).some((table) => flowPartsOf(table).sets.some(({ isFilled }) => isFilled));
}

/** Whether a packet that passed before the changes may be denied after them. `after`: the table that they belong to. */
export function takesAway(changes: readonly Change[], after: Table): boolean {
  return changes.some((change) => {
    switch (change.verb) {
      // No packet meets an object that is new or about to be deleted.
      case 'add table':
      case 'add set':
      case 'add map':
      case 'delete set':
      case 'delete map':
      case 'delete chain':
      case 'delete other':
        return false;
      case 'add chain':
        return change.chain.base !== undefined;
      case 'add elements':
        return mayDeny(change.set.name, after);
      default:
        return true;
    }
  });
}

function flowPartsOf({ chains, sets }: Table): { chains: readonly Chain[]; sets: NftSet[] } {
  let parts = flowParts.get(chains);
  if (!parts) {
    const filling = [...chains.values()].filter((chain) => flowSetsOf(chain).length > 0);
    flowParts.set(chains, (parts = { chains: filling, names: new Set(filling.flatMap(flowSetsOf)) }));
  }
  return { chains: parts.chains, sets: [...parts.names].map((name) => sets.get(name)!) };
}

/** For the chains of a table: those that add packets to sets, and these sets. Most changes touch no chain. */
const flowParts = new WeakMap<
  Table['chains'],
  { readonly chains: readonly Chain[]; readonly names: ReadonlySet<string> }
>();

const flowSets = new WeakMap<Chain, readonly string[]>();

/** The sets to which the chain adds packets. */
function flowSetsOf(chain: Chain): readonly string[] {
  let names = flowSets.get(chain);
  if (!names) {
    names = chain.rules.flatMap(({ verdict }) => (verdict.kind === 'remember' ? [verdict.set] : []));
    flowSets.set(chain, names);
  }
  return names;
}
