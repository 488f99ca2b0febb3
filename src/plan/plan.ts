import { ElementChanges } from '../nftables/element-changes.ts';
import type { Operation, Ruleset, Stage, TableFamily } from '../nftables/ruleset.ts';
import { tableFamilies } from '../nftables/ruleset.ts';
import { planRewrite } from './rewrite.ts';
import { emptied, isTableLike, planTable, sweepTable, type TablePlan } from './table-plan.ts';

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
 * A stage is one transaction over all tables; each is held to this by itself. A table that is not wanted any more is emptied.
 * @param applied `undefined` where there is none
 * @param changes how sets of the one came from sets of the other, as far as that is known
 */
export function planStages(desired: Ruleset, applied: Ruleset = {}, changes = new ElementChanges()): Plan {
  const targets = tableFamilies.flatMap((family) => {
    const held = applied[family];
    const target = desired[family] ?? (held && emptied(held));
    return target ? [{ family, target, held, plan: planTable(target, held, changes) }] : [];
  });
  const first = planOf(
    targets.map(({ family, target, held, plan }) => ({ family, plan: plan ?? planRewrite(target, held!) })),
  );
  const rewritten = targets.filter(({ plan }) => !plan);
  if (rewritten.length === 0) return first;
  const last = planOf(
    rewritten.map(({ family, target }) => ({ family, plan: planTable(target, first.result[family], changes)! })),
  );
  return { stages: [...first.stages, ...last.stages], result: { ...first.result, ...last.result } };
}

/** Deletes what no packet can meet: the leavings of a change that did not come to its end. */
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

const steps = ['make', 'switch', 'empty', 'break'] as const;

function planOf(plans: readonly { readonly family: TableFamily; readonly plan: TablePlan }[]): Plan {
  const stages = steps.map((step): Stage => {
    const operations = plans.flatMap(({ family, plan }) => plan[step].map((each): Operation => ({ family, ...each })));
    return { name: step === 'empty' ? 'break' : step, operations };
  });
  const result = Object.fromEntries(plans.map(({ family, plan }) => [family, plan.result]));
  return { stages: stages.filter(({ operations }) => operations.length > 0), result };
}
