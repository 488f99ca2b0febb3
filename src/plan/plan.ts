import type { Operation, Ruleset, Stage, TableFamily } from '../nftables/ruleset.ts';
import { tableFamilies } from '../nftables/ruleset.ts';
import { planRewrite } from './rewrite.ts';
import { emptied, isTableLike, planTable, sweepTable, type TablePlan } from './table-plan.ts';

export interface PlanOptions {
  /** Make flow sets anew in any case: another program may have written to them. */
  readonly renewsFlows?: boolean;
}

export interface Plan {
  /** In order; each stage is one transaction. Empty stages are left out. */
  readonly stages: readonly Stage[];
  /** The content of the kernel after all stages. */
  readonly result: Ruleset;
}

/**
 * Plans the change from the kernel's content to the desired ruleset, in stages (S7.3): `make` adds objects without references, `switch` changes what
 * packets meet, `break` removes elements from sets, `delete` deletes objects that packets do not meet any more. So in between, a check passes only
 * packets that the old or the new rules pass, and drops none that both pass.
 * A stage is one transaction over all tables; S7.3 holds for each table by itself. A table that is not desired any more is emptied.
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

const steps = ['make', 'switch', 'break', 'empty', 'delete'] as const;

function planOf(plans: readonly { readonly family: TableFamily; readonly plan: TablePlan }[]): Plan {
  const stages: Stage[] = [];
  for (const step of steps) {
    const operations = plans.flatMap(({ family, plan }) => plan[step].map((each): Operation => ({ family, ...each })));
    if (operations.length === 0) continue;
    const isAfterSwitch = stages.at(-1)?.name === 'switch';
    const mustWait = step === 'break' ? isAfterSwitch && plans.some(({ plan }) => plan.opens) : isDeletion(step);
    const afterGracePeriod = mustWait && !stages.some((stage) => stage.afterGracePeriod);
    stages.push({ name: step === 'empty' ? 'delete' : step, afterGracePeriod, operations });
  }
  return { stages, result: Object.fromEntries(plans.map(({ family, plan }) => [family, plan.result])) };
}

function isDeletion(step: (typeof steps)[number]): boolean {
  return step === 'empty' || step === 'delete';
}
