import { VersionedMap } from '../lib/versioned-map.ts';
import type { Change, Chain, NftSet, Ruleset, Table } from '../nftables/ruleset.ts';
import { mayDeny } from './denying-sets.ts';

/**
 * Flow sets remember packets that have passed (`compile/flows.ts`). They exist in two editions, and a set says which one counts: empty for the first.
 * **The invariant: a packet finds itself in a flow set only if the rules of now would pass it.** It holds because each change that may deny what passed
 * before (T) chooses the other edition, which is empty, and no packet in flight can add itself to it:
 *
 * - A packet that reads the new choice makes all later lookups after T, and the choice comes before the lookups that judge. So what it adds has passed the
 *   elements of after T. Its rules are those of after T too: all chains stay as they are, or a grace period (K27) comes before the choice.
 * - A packet that read the old choice adds itself to the old edition, which nothing that begins later reads. After a grace period, all these packets are
 *   done. Then a last transaction empties the old edition, so that the next change can choose it.
 * - Between two choices, changes only allow more. So what passed once would still pass.
 *
 * A change that is not known to only allow counts as one that takes away. Until the choice, flow sets pass what the rules before the change pass (S7.3).
 * So a change needs one choice, in its last transaction.
 *
 * Sets with intervals would break the first point: the kernel puts their new content in place a moment after the rest of the transaction. They never change,
 * because their names are hashes of their elements.
 */
interface Flows {
  /** The set that says which edition counts. */
  readonly choice: string;
  /** The flow sets of each edition. */
  readonly first: readonly string[];
  readonly second: readonly string[];
}

/** The changes that choose the other edition, by the transaction that they belong to. */
export interface Forgetting {
  /** In the last transaction of the change. */
  readonly at: readonly Change[];
  /** In a transaction of its own, after a grace period. */
  readonly late: readonly Change[];
  /** Empties the edition that does not count any more, after another grace period. */
  readonly after: readonly Change[];
  readonly result: Table;
}

/**
 * Gives the table the choice that the table before has. `undefined` if that one is neither: another program has changed it.
 * @param desired chooses the second edition
 */
export function withChoiceOf(before: Table, desired: Table): Table | undefined {
  const name = flowsOf(desired)?.choice;
  const held = name === undefined ? undefined : before.sets.get(name);
  if (!held) return desired;
  const { elements } = desired.sets.get(held.name)!;
  if (held.elements.size === 0) return chooseFirst(desired, held.name);
  const isSecond = held.elements.size === elements.size && [...elements].every((each) => held.elements.has(each));
  return isSecond ? desired : undefined;
}

/**
 * Chooses the other edition if the change may deny what flow sets of before remember.
 * @param changes all changes of rules and elements, in order
 * @param after the table after them
 * @param desired chooses the second edition
 * @param isDoubtful nothing is known of what flow sets hold, nor of packets in flight
 */
export function forget(
  before: Table,
  changes: readonly Change[],
  after: Table,
  desired: Table,
  isDoubtful: boolean,
): Forgetting {
  const nothing = { at: [], late: [], after: [], result: after };
  const flows = flowsOf(after);
  if (!flows || !(isDoubtful || changes.some((change) => takesAway(change, after)))) return nothing;
  const held = before.sets.has(flows.choice);
  // Packets have met no flow set yet. They meet them from the switch on, and what `break` removes must not stay in them.
  if (!held && !changes.some(({ verb }) => verb === 'delete elements')) return nothing;
  const set = after.sets.get(flows.choice)!;
  const isSecond = set.elements.size > 0;
  const choice: Change = isSecond
    ? { verb: 'delete elements', set, elements: [...set.elements] }
    : { verb: 'add elements', set, elements: [...desired.sets.get(set.name)!.elements] };
  const flush = (names: readonly string[]): Change[] => names.map((name) => ({ verb: 'flush set', name }));
  const [left, chosen] = isSecond ? [flows.second, flows.first] : [flows.first, flows.second];
  const isLate = isDoubtful || changes.some(changesRules);
  return {
    at: isLate ? [] : [choice],
    late: isLate ? [...flush(chosen), choice] : [],
    after: [...flush(left), ...traces],
    result: isSecond ? chooseFirst(after, set.name) : chooseSecond(after, set.name, desired),
  };
}

/**
 * The kernel makes no transaction of a script that changes nothing, and the sets may be empty. But the agent counts its transactions, to see those of other
 * programs. So the script makes a chain and deletes it.
 */
const traces: readonly Change[] = [
  { verb: 'add chain', chain: { name: 'emptied', rules: [] } },
  { verb: 'delete chain', name: 'emptied' },
];

/** Whether packets may have added themselves to sets of these tables. */
export function hasFlowSets(ruleset: Ruleset = {}): boolean {
  return Object.values(ruleset).some((table) => flowsOf(table) !== undefined);
}

/** Whether a packet that passed before the change may be denied after it. `after`: the table that it belongs to. */
function takesAway(change: Change, after: Table): boolean {
  switch (change.verb) {
    case 'add chain':
      return change.chain.base !== undefined;
    case 'add elements':
      return mayDeny(change.set.name, after);
    default:
      return true;
  }
}

/** Whether packets in flight may still have other rules than those after the change. */
function changesRules({ verb }: Change): boolean {
  return verb === 'replace rules' || verb === 'add chain';
}

/**
 * The sets of a table with the choice of the first edition. Of a later version of the same sets, the cost is that of the sets that have changed, here and
 * when the plan compares the two results.
 */
function chooseFirst(table: Table, choice: string): Table {
  const last = lastFirst.get(table.chains);
  const changed = last?.of instanceof VersionedMap ? last.of.keysChangedIn(table.sets) : undefined;
  let first: VersionedMap<string, NftSet>;
  if (last?.of === table.sets) first = last.first;
  else if (last && changed) {
    const others = [...changed].filter((name) => name !== choice);
    first = last.first.with(others.map((name) => [name, table.sets.get(name)!]));
  } else {
    const empty: NftSet = { ...table.sets.get(choice)!, elements: new Set() };
    first = new VersionedMap(new Map(table.sets).set(choice, empty));
  }
  lastFirst.set(table.chains, { of: table.sets, first });
  return { ...table, sets: first };
}

/** The sets of a table that chooses the second edition, as `desired` does. */
function chooseSecond(table: Table, choice: string, desired: Table): Table {
  const last = lastFirst.get(desired.chains);
  const isOfDesired = last?.of === desired.sets && last.first === table.sets;
  const sets = isOfDesired ? desired.sets : new Map(table.sets).set(choice, desired.sets.get(choice)!);
  return { ...table, sets };
}

/** By the chains of a table, which most changes do not touch: its sets that choose the second edition, and the same with the first. */
const lastFirst = new WeakMap<
  Table['chains'],
  { readonly of: Table['sets']; readonly first: VersionedMap<string, NftSet> }
>();

/** For the chains of a table. Most changes touch no chain. */
const known = new WeakMap<Table['chains'], { readonly flows: Flows | undefined }>();

function flowsOf({ chains }: Table): Flows | undefined {
  let found = known.get(chains);
  if (!found) known.set(chains, (found = { flows: findFlows(chains) }));
  return found.flows;
}

/** A chain of the first edition begins with a rule that leads to the same chain of the second. */
function findFlows(chains: Table['chains']): Flows | undefined {
  const pairs = [...chains.values()].flatMap((chain) => {
    const rule = chain.rules[0];
    const choice = rule?.matches[0];
    const target = rule?.verdict.kind === 'goto' ? chains.get(rule.verdict.chain) : undefined;
    if (!target || choice?.kind !== 'lookup' || flowSetsOf(target).length === 0) return [];
    return [{ choice: choice.set, first: flowSetsOf(chain), second: flowSetsOf(target) }];
  });
  if (pairs.length === 0) return undefined;
  return {
    choice: pairs[0]!.choice,
    first: [...new Set(pairs.flatMap(({ first }) => first))],
    second: [...new Set(pairs.flatMap(({ second }) => second))],
  };
}

/** The sets to which the chain adds packets. */
function flowSetsOf({ rules }: Chain): readonly string[] {
  return rules.flatMap(({ verdict }) => (verdict.kind === 'remember' ? [verdict.set] : []));
}
