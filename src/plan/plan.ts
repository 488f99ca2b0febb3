import type { Operation, Ruleset, Stage, StageName, TableFamily } from '../nftables/ruleset.ts';
import { tableFamilies } from '../nftables/ruleset.ts';
import { planRewrite, replacement } from './rewrite.ts';
import { emptied, isTableLike, planTable, sweepTable, type TablePlan } from './table-plan.ts';

export interface PlanOptions {
  /** Nothing is known of what flow sets hold, nor of the packets in flight that may add themselves: forget all. */
  readonly areFlowsDoubtful?: boolean;
  /** A change before may have stopped between two of its stages, so what is held may be no state that the rules ever had. */
  readonly isInterrupted?: boolean;
}

export interface Plan {
  /** In order; each stage is one transaction. Empty stages are left out. */
  readonly stages: readonly Stage[];
  /** The content of the kernel after all stages. */
  readonly result: Ruleset;
}

/**
 * Plans the change from the kernel's content to the desired ruleset, in stages (S7.3):
 *
 * - `clear` ends what ClusterNetworkPolicies still accept after an interrupted change (`set-turns.ts`).
 * - `make` adds objects without references.
 * - `switch` changes what packets meet.
 * - `break` removes elements from sets.
 * - `forget` leaves the flow sets that remember what passed before.
 * - `open` ends what ClusterNetworkPolicies deny (`set-turns.ts`).
 * - `delete` deletes objects that packets do not meet any more.
 *
 * In between, a check passes only packets that the old or the new rules pass, and drops none that both pass. A stage is one transaction over all
 * tables; S7.3 holds for each table by itself. The plan empties a table that is not desired any more. A table that leaves its flow sets may have to
 * change before the others (`inTurn`), so there may be two stages `switch`, and two `break`.
 * @param applied the kernel's content; a missing table does not exist
 */
export function planStages(desired: Ruleset, applied: Ruleset = {}, options: PlanOptions = {}): Plan {
  const targets = tableFamilies.flatMap((family) => {
    const held = applied[family];
    const target = desired[family] ?? (held && emptied(held));
    return target ? [{ family, target, held, plan: planTable(target, held, options) }] : [];
  });
  const first = planOf(
    targets.map(({ family, target, held, plan }) => ({ family, plan: plan ?? planRewrite(target, held!) })),
  );
  const rewritten = targets.filter(({ plan }) => !plan);
  if (rewritten.length === 0) return first;
  const last = planOf(
    rewritten.map(({ family, target }) => ({ family, plan: planTable(target, first.result[family])! })),
  );
  return { stages: [...first.stages, ...last.stages], result: { ...first.result, ...last.result } };
}

/** Writes our tables in one transaction, whatever the kernel holds. No packet meets a part of them (K26). */
export function planAnew(desired: Ruleset): Plan {
  const operations = tableFamilies.flatMap((family): Operation[] => {
    const target = desired[family];
    // A table that does not exist cannot be replaced.
    return target ? [{ family, verb: 'add table' }, ...replacement(target).map((each) => ({ family, ...each }))] : [];
  });
  return { stages: [{ name: 'switch', afterGracePeriod: false, operations }], result: desired };
}

/** Deletes objects that no packet can reach: an interrupted change left them. */
export function planSweep(applied: Ruleset): Plan {
  return planOf(
    tableFamilies.flatMap((family) => {
      const held = applied[family];
      return held ? [{ family, plan: sweepTable(held) }] : [];
    }),
  );
}

/** The tables that are not found as they were written. */
export function tablesUnlike(written: Ruleset = {}, found: Ruleset = {}): TableFamily[] {
  return tableFamilies.filter((family) => !isTableLike(written[family], found[family]));
}

type Planned = readonly { readonly family: TableFamily; readonly plan: TablePlan }[];

/** Whether the stage must not begin before older packets are done. One wait is enough for `break` and `delete`, unless flow sets were left after it. */
function mustWait(name: StageName, before: readonly Stage[], plans: Planned): boolean {
  const last = before.at(-1)?.name;
  const hasWaited = before.some((stage) => stage.afterGracePeriod);
  if (name === 'break') return last === 'switch' && plans.some(({ plan }) => plan.breaksLate);
  if (name === 'open') return last !== undefined && last !== 'make';
  if (name === 'delete') return last !== 'delete' && (!hasWaited || plans.some(({ plan }) => plan.leavesFlowsIn));
  return name === 'forget';
}

function planOf(plans: Planned): Plan {
  const [first, last] = inTurn(plans);
  const steps: readonly (readonly [StageName | 'empty', Planned])[] = [
    ['clear', plans],
    ['make', plans],
    ['switch', first],
    ['break', first],
    ['forget', first],
    ['switch', last],
    ['break', last],
    ['open', plans],
    ['empty', plans],
    ['delete', plans],
  ];
  const stages: Stage[] = [];
  for (const [step, of] of steps) {
    const operations = of.flatMap(({ family, plan }) => plan[step].map((each): Operation => ({ family, ...each })));
    if (operations.length === 0) continue;
    const name = step === 'empty' ? 'delete' : step;
    stages.push({ name, afterGracePeriod: mustWait(name, stages, of), operations });
  }
  return { stages, result: Object.fromEntries(plans.map(({ family, plan }) => [family, plan.result])) };
}

/**
 * The tables that change first, and those that change after them. A packet of a pod on a bridge meets the bridge table and then the flow sets of a routed
 * table. If the bridge table opened the port of a new pod before the routed table has left the flow sets of before, the new pod would have the flows of
 * the pod that had its address before: neither the rules before the change nor those after it allow them.
 */
function inTurn(plans: Planned): readonly [Planned, Planned] {
  const isLate = plans.some(({ plan: { leavesFlowsIn } }) => leavesFlowsIn && leavesFlowsIn !== 'switch');
  if (!isLate) return [plans, []];
  const leaves = ({ plan }: Planned[number]): boolean => plan.leavesFlowsIn !== undefined;
  return [plans.filter(leaves), plans.filter((each) => !leaves(each))];
}
