import { families } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { ElementChanges } from '../nftables/element-changes.ts';
import { overBudget, type Budgets, type Excess } from './budgets.ts';
import {
  buildClass,
  costOf,
  draftClass,
  withSharedGroups,
  workOf,
  type BuiltClass,
  type ClassDraft,
  type ShapeLimits,
} from './class-shape.ts';
import type { Classification } from './classify.ts';
import { shareOf, sizeOf, type ClassSize } from './node-budget.ts';
import { namespaceOf } from './policy-cost.ts';
import { readClass, type ClassRules } from './resolve.ts';
import { GroupSets, type GroupSet } from './set-builder.ts';

/** A class as it stands in the rule set. */
export interface KnownClass {
  readonly size: ClassSize;
  readonly work: number;
  readonly cost: number;
  readonly apart: boolean;
  readonly built: BuiltClass;
}

export interface Classes {
  /** By the text of their specs; not all of them where it is too much. */
  readonly classes: ReadonlyMap<string, KnownClass>;
  /** Those that had to be built. */
  readonly rebuilt: readonly BuiltClass[];
  /** What had to be built differs from before in sets alone: a chain is named by what it looks up. */
  readonly hasSameChains: boolean;
  /** The namespaces that cost too much. */
  readonly over: ReadonlyMap<string, Excess>;
}

export interface ClassInput {
  readonly groups: Snapshot['groups'];
  readonly groupSet: GroupSet;
  readonly changes: ElementChanges;
  /** The classes of the last compile, and those of now whose groups have changed since. */
  readonly last: ReadonlyMap<string, KnownClass>;
  readonly touched: ReadonlySet<ClassRules>;
  readonly limits: ShapeLimits;
}

/** The classes that the groups of a delta are part of. */
export function readersOf({ readers }: Classification, groups: Iterable<string>): Set<ClassRules> {
  return new Set(Iterator.from(groups).flatMap((id) => readers.get(id) ?? []));
}

/**
 * The chains and sets of every class: anew where one of its groups has changed. What that takes is counted before, and what nft will have to
 * do for it after; where either is too much, nothing is made of it.
 * @param spent what the policies of each namespace cost already
 */
export function buildClasses(
  classification: Classification,
  { groups, groupSet, changes, last, touched, limits }: ClassInput,
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
  const payers = payersOf(classification);
  const tooMuch = (costs: Iterable<readonly [string, number]>): ReadonlyMap<string, Excess> => {
    const sums = new Map(spent);
    for (const [text, cost] of costs) {
      for (const namespace of payers.get(text)!) sums.set(namespace, (sums.get(namespace) ?? 0) + cost);
    }
    return overBudget(sums, budgets);
  };
  const planned = wanted.map(({ text, rules, before, same, size }): PlannedClass => {
    const isLarge = size.product > share;
    const apart = isLarge || limits.apart === true;
    if (same?.apart === apart) return { text, same, work: same.work };
    const draft = draftClass(rules, groups, groupSet, isLarge ? withSharedGroups(limits) : limits, before?.built);
    return { text, draft, before: before?.built, size, apart, work: workOf(draft) };
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
    const { text, draft, before, size, apart, work } = each;
    const after = buildClass(draft, changes, before);
    rebuilt.push(after);
    hasSameChains &&= areChainsSame(before, after);
    classes.set(text, { size, apart, work, cost: costOf(after), built: after });
  }
  const over = tooMuch(classes.entries().map(([text, { cost }]) => [text, cost]));
  return { classes, rebuilt, hasSameChains, over };
}

type PlannedClass = { readonly text: string; readonly work: number } & (
  | { readonly same: KnownClass }
  | ({ readonly draft: ClassDraft; readonly before: BuiltClass | undefined } & Pick<KnownClass, 'size' | 'apart'>)
);

/** The namespaces of the pods of each class, by its text. */
function payersOf({ specs }: Classification): Map<string, Set<string>> {
  const payers = new Map<string, Set<string>>();
  for (const [key, { ingress, egress }] of specs) {
    for (const spec of [ingress, egress]) {
      if (!spec) continue;
      const known = payers.get(spec.text);
      if (known) known.add(namespaceOf(key));
      else payers.set(spec.text, new Set([namespaceOf(key)]));
    }
  }
  return payers;
}

function areChainsSame(before: BuiltClass | undefined, { families: after }: BuiltClass): boolean {
  if (!before?.families || !after) return before !== undefined && before.families === after;
  return families.every((family) => before.families![family].chains === after[family].chains);
}

/** The class of what is isolated and allows nothing, in each direction. */
export function buildNoAllows(limits: ShapeLimits): Readonly<Record<Direction, BuiltClass>> {
  const build = (direction: Direction): BuiltClass => {
    const rules = readClass({ direction, text: direction, rules: [] });
    const changes = new ElementChanges();
    const groupSet = new GroupSets().of(new Map(), 'all', changes);
    return buildClass(draftClass(rules, new Map(), groupSet, limits), changes);
  };
  return { ingress: build('ingress'), egress: build('egress') };
}
