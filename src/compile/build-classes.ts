import { families } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { overBudget, type Budgets, type Excess } from './budgets.ts';
import { draftClass, workOf, type ClassDraft } from './class-draft.ts';
import { buildClass, costOf, type BuiltClass } from './class-shape.ts';
import { GroupSets, type GroupSet } from './group-sets.ts';
import { defaultLimits, withSharedGroups, type ShapeLimits } from './shape-limits.ts';
import type { Classification } from './classify.ts';
import { shareOf, sizeOf, type ClassSize } from './node-budget.ts';
import { readClass, type ClassRules } from './resolve.ts';

/** A class of the last ruleset. */
export interface KnownClass {
  readonly size: ClassSize;
  readonly work: number;
  readonly cost: number;
  readonly sharesGroups: boolean;
  readonly built: BuiltClass;
}

export interface Classes {
  /** By the text of their specs; incomplete if a namespace is over budget. */
  readonly classes: ReadonlyMap<string, KnownClass>;
  /** The classes that this run built. */
  readonly rebuilt: readonly BuiltClass[];
  /** The rebuilt classes have the same chains as before; only sets differ. */
  readonly hasSameChains: boolean;
  /** The namespaces over budget. */
  readonly over: ReadonlyMap<string, Excess>;
}

export interface ClassInput {
  readonly groups: Snapshot['groups'];
  readonly groupSet: GroupSet;
  /** The classes of the last compile. */
  readonly last: ReadonlyMap<string, KnownClass>;
  /** Current classes whose groups have changed since then. */
  readonly touched: ReadonlySet<ClassRules>;
  readonly limits: ShapeLimits;
}

/** The classes that use one of these groups. */
export function readersOf({ readers }: Classification, groups: Iterable<string>): Set<ClassRules> {
  const found = new Set<ClassRules>();
  for (const id of groups) for (const rules of readers.get(id) ?? []) found.add(rules);
  return found;
}

/**
 * Builds the chains and sets of each class that is new or has a changed group. Before it builds, it estimates its own work; afterwards it counts the cost
 * for nft. If a namespace is over budget in either, the result must not be used.
 * @param spent by namespace, the cost of its policies so far
 */
export function buildClasses(
  classification: Classification,
  { groups, groupSet, last, touched, limits }: ClassInput,
  spent: ReadonlyMap<string, number>,
  budgets: Budgets,
): Classes {
  const wanted = Array.from(classification.classes, ([text, rules]) => {
    const before = last.get(text);
    const same = touched.has(rules) ? undefined : before;
    return { text, rules, before, same, size: same?.size ?? sizeOf(rules, groups) };
  });
  const share = shareOf(
    wanted.map(({ size }) => size),
    limits,
  );
  const tooMuch = (costs: Iterable<readonly [string, number]>): ReadonlyMap<string, Excess> => {
    const sums = new Map(spent);
    for (const [text, cost] of costs) {
      for (const namespace of classification.payers.get(text)!) sums.set(namespace, (sums.get(namespace) ?? 0) + cost);
    }
    return overBudget(sums, budgets);
  };
  const planned = wanted.map(({ text, rules, before, same, size }): PlannedClass => {
    const isLarge =
      size.tuples > share || (size.tuples > limits.maxClassTuples && rules.lookupsOfPort <= limits.maxLookupsOfPort);
    const sharesGroups = isLarge || limits.sharesGroups === true;
    if (same?.sharesGroups === sharesGroups) return { text, same, work: same.work };
    const draft = draftClass(
      rules,
      groups,
      groupSet,
      isLarge ? withSharedGroups(limits) : limits,
      before?.built.families,
    );
    return { text, draft, before: before?.built, size, sharesGroups, work: workOf(draft) };
  });
  const overWork = tooMuch(planned.map(({ text, work }) => [text, work]));
  if (overWork.size > 0) return { classes: new Map(), rebuilt: [], hasSameChains: false, over: overWork };
  const classes = new Map<string, KnownClass>();
  const rebuilt: BuiltClass[] = [];
  let hasSameChains = true;
  for (const each of planned) {
    if ('same' in each) {
      classes.set(each.text, each.same);
      continue;
    }
    const { text, draft, before, size, sharesGroups, work } = each;
    const after = buildClass(draft, before);
    rebuilt.push(after);
    hasSameChains &&= areChainsSame(before, after);
    classes.set(text, { size, sharesGroups, work, cost: costOf(after), built: after });
  }
  const over = tooMuch(classes.entries().map(([text, { cost }]) => [text, cost]));
  return { classes, rebuilt, hasSameChains, over };
}

type PlannedClass = { readonly text: string; readonly work: number } & (
  | { readonly same: KnownClass }
  | ({ readonly draft: ClassDraft; readonly before: BuiltClass | undefined } & Pick<
      KnownClass,
      'size' | 'sharesGroups'
    >)
);

function areChainsSame(before: BuiltClass | undefined, { families: after }: BuiltClass): boolean {
  if (!before?.families || !after) return before !== undefined && before.families === after;
  return families.every((family) => before.families![family].chains === after[family].chains);
}

/** By direction, the class of isolated pods without allow rules. */
export function buildNoAllows(): Readonly<Record<Direction, BuiltClass>> {
  const build = (direction: Direction): BuiltClass => {
    const rules = readClass({ direction, text: direction, rules: [] });
    const groupSet = new GroupSets().of(new Map(), 'all');
    return buildClass(draftClass(rules, new Map(), groupSet, defaultLimits));
  };
  return { ingress: build('ingress'), egress: build('egress') };
}
