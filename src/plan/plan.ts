import type { Operation, Ruleset, Stage, Table, TableFamily } from '../nftables/ruleset.ts';
import { tableFamilies } from '../nftables/ruleset.ts';
import { isTableLike, planTable, sweepTable, type TablePlan } from './table-plan.ts';

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
 * A stage is one transaction over all tables; each is held to this by itself.
 * @param applied `undefined` where there is none
 */
export function planStages(desired: Ruleset, applied: Ruleset = {}): Plan {
  return planOf((family) => {
    const wanted = desired[family];
    if (wanted) return planTable(wanted, applied[family]);
    return applied[family] && { make: [], switch: [], break: [{ verb: 'delete table' }], result: undefined };
  });
}

/** Deletes what no packet can meet: the leavings of a change that did not come to its end. */
export function planSweep(applied: Ruleset): Plan {
  return planOf((family) => applied[family] && sweepTable(applied[family]));
}

/** The tables that are not found as they were written. */
export function tablesUnlike(written: Ruleset = {}, found: Ruleset = {}): TableFamily[] {
  return tableFamilies.filter((family) => !isTableLike(written[family], found[family]));
}

function planOf(tablePlan: (family: TableFamily) => TablePlan<Table | undefined> | undefined): Plan {
  const plans = tableFamilies.flatMap((family) => {
    const plan = tablePlan(family);
    return plan ? [{ family, plan }] : [];
  });
  const stages = (['make', 'switch', 'break'] as const).map((name): Stage => {
    const operations = plans.flatMap(({ family, plan }) => plan[name].map((each): Operation => ({ family, ...each })));
    return { name, operations };
  });
  const results = plans.flatMap(({ family, plan }) => (plan.result ? [[family, plan.result] as const] : []));
  return { stages: stages.filter(({ operations }) => operations.length > 0), result: Object.fromEntries(results) };
}
