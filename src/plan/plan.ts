import type { Operation, Ruleset, Stage, StageName, Table } from '../nftables/ruleset.ts';
import { emptyTable, planTable, sweepTable, type TablePlan } from './table-plan.ts';

export interface Plan {
  /** In order, each one transaction; a stage with nothing to do is left out. */
  readonly stages: readonly Stage[];
  /** What the kernel holds when all of them are done. */
  readonly result: Ruleset;
}

/**
 * The way from what the kernel holds to what it should hold, in stages (S7.3):
 * make what nothing refers to yet; switch what packets meet; break what is no longer wanted. Additions to sets switch, removals
 * break, so that in between a check passes what the old or the new rules pass, and drops nothing that both pass.
 * `applied` is `undefined` where there is no table. A stage is one transaction over both tables; each is held to this by itself.
 */
export function planStages(desired: Ruleset, applied: Ruleset | undefined): Plan {
  const inet = planTable(desired, applied);
  const bridge = onBridge(planSecond(desired.bridge, applied?.bridge));
  return {
    stages: stagesOf((name) => [...inet[name], ...bridge[name]]),
    result: { ...inet.result, ...(desired.bridge && { bridge: bridge.result }) },
  };
}

/** Of the table that is not always wanted. */
function planSecond(desired: Table | undefined, applied: Table | undefined): TablePlan {
  if (desired) return planTable(desired, applied);
  return { make: [], switch: [], break: applied ? [{ verb: 'delete table' }] : [], result: emptyTable };
}

/** Deletes what no packet can meet: the leavings of a change that did not come to its end. */
export function planSweep(applied: Ruleset): Plan {
  const inet = sweepTable(applied);
  const bridge = applied.bridge && onBridge(sweepTable(applied.bridge));
  return {
    stages: stagesOf((name) => [...inet[name], ...(bridge?.[name] ?? [])]),
    result: { ...inet.result, ...(bridge && { bridge: bridge.result }) },
  };
}

function stagesOf(operationsOf: (name: StageName) => readonly Operation[]): Stage[] {
  const stages = (['make', 'switch', 'break'] as const).map((name) => ({ name, operations: operationsOf(name) }));
  return stages.filter(({ operations }) => operations.length > 0);
}

function onBridge(plan: TablePlan): TablePlan {
  const there = (operations: readonly Operation[]): Operation[] =>
    operations.map((operation) => ({ ...operation, family: 'bridge' }));
  return { make: there(plan.make), switch: there(plan.switch), break: there(plan.break), result: plan.result };
}
