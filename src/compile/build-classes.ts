import { families } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { overBudget, type Budgets, type Excess } from './budgets.ts';
import { once } from '../lib/once.ts';
import { VersionedMap } from '../lib/versioned-map.ts';
import { draftClass, workOf } from './class-draft.ts';
import { buildClass, costOf, leadsTo, type BuiltClass } from './class-shape.ts';
import { isOfNetworkPolicies, mapNext, type Next } from './class-spec.ts';
import { GroupSets, type GroupSet } from './group-sets.ts';
import { defaultLimits, withSharedGroups, type ShapeLimits } from './shape-limits.ts';
import type { Classification } from './classify.ts';
import { shareOf, sizeOf, type ClassSize } from './node-budget.ts';
import { readClass, type ClassRules } from './resolve.ts';

/** What a class costs. `cost` is missing if the class was not built. */
export interface MeasuredClass {
  readonly size: ClassSize;
  readonly work: number;
  readonly cost?: number;
  readonly sharesGroups: boolean;
}

/** A class of the last ruleset. */
export interface KnownClass extends MeasuredClass {
  readonly cost: number;
  readonly built: BuiltClass;
  /** `ClassRules.limited`, for the numbers that pods declare now. */
  readonly limited: readonly string[];
}

/** What all classes come to. With it, the next run counts only those that change. */
export interface Totals {
  readonly tuples: number;
  readonly share: number;
  /** By namespace, the sums of the classes that it pays for. */
  readonly sums: Readonly<Record<'work' | 'cost', ReadonlyMap<string, number>>>;
}

export interface Classes {
  /** By the text of their specs; empty if a namespace is over budget. */
  readonly classes: VersionedMap<string, KnownClass>;
  /** Missing if a namespace is over budget. */
  readonly totals?: Totals;
  /** The number of classes that this run looked at. */
  readonly visited: number;
  /** The classes that this run built. */
  readonly rebuilt: readonly BuiltClass[];
  /** The rebuilt classes have the same chains as before; only sets differ. */
  readonly hasSameChains: boolean;
  /** The namespaces over budget. */
  readonly over: ReadonlyMap<string, Excess>;
  /** If a namespace is over budget, what the classes cost, by the text of their specs. The next run builds no unchanged class to find this again. */
  readonly measured: ReadonlyMap<string, MeasuredClass>;
}

export interface ClassInput {
  readonly groups: Snapshot['groups'];
  readonly groupSet: GroupSet;
  /** The classes of the last compile. */
  readonly last: VersionedMap<string, KnownClass>;
  /** `Classes.totals` of the last compile, if it used this classification. `last` has its classes then. */
  readonly totals: Totals | undefined;
  /** `Classes.measured` of the last compile, for the same classification. */
  readonly measured: ReadonlyMap<string, MeasuredClass>;
  /** The classes that this compile has built in other rounds. This function adds those that it builds. */
  readonly fresh: Map<string, KnownClass>;
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
 * for nft. If a namespace is over budget in either, the result must not be used. After a change of members alone, it visits only the touched classes.
 * @param spent by namespace, the cost of its policies so far
 */
export function buildClasses(
  classification: Classification,
  input: ClassInput,
  spent: ReadonlyMap<string, number>,
  budgets: Budgets,
): Classes {
  const { totals, ...others } = input;
  const some = totals && buildSome(classification, input, totals, spent, budgets);
  return some?.over.size === 0 ? some : buildSome(classification, others, undefined, spent, budgets)!;
}

/** @param totals with it, only the touched classes are visited. Returns `undefined` if others must change too. */
function buildSome(
  classification: Classification,
  { groups, groupSet, last, measured, fresh, touched, limits }: Omit<ClassInput, 'totals'>,
  totals: Totals | undefined,
  spent: ReadonlyMap<string, number>,
  budgets: Budgets,
): Classes | undefined {
  // Keep this order: each class comes after the classes that it leads to (`classify`).
  const asked = totals
    ? classification.classes.entries().filter(([, rules]) => touched.has(rules))
    : classification.classes;
  const wanted = Array.from(asked, ([text, rules]) => {
    const before = last.get(text);
    const same = touched.has(rules) ? undefined : before;
    const alike = touched.has(rules) ? undefined : (before ?? measured.get(text));
    return { text, rules, before, same, alike, size: alike?.size ?? sizeOf(rules, groups) };
  });
  let tuples = totals?.tuples ?? 0;
  for (const { size, before, rules } of wanted) {
    if (isAudit(rules)) continue;
    tuples += size.tuples - (totals ? before!.size.tuples : 0);
  }
  const share = shareOf(tuples, classification.judging, limits);
  if (totals && share !== totals.share) return undefined;

  const sumsOf = (
    what: 'work' | 'cost',
    values: readonly { readonly text: string; readonly value: number }[],
  ): ReadonlyMap<string, number> => {
    const known = new Map(values.map(({ text, value }) => [text, value]));
    const sums = new Map(totals?.sums[what]);
    for (const namespace of new Set(values.flatMap(({ text }) => [...classification.payers.get(text)!]))) {
      const of = classification.paidBy.get(namespace)!;
      sums.set(
        namespace,
        of.reduce((sum, text) => sum + (known.get(text) ?? last.get(text)![what]), 0),
      );
    }
    return sums;
  };
  const tooMuch = (sums: ReadonlyMap<string, number>): ReadonlyMap<string, Excess> => {
    const all = new Map(spent);
    for (const [namespace, sum] of sums) all.set(namespace, (all.get(namespace) ?? 0) + sum);
    return overBudget(all, budgets);
  };
  const makers = new Map<string, () => KnownClass>();
  const nextOf = ({ spec }: ClassRules): Next<BuiltClass> => {
    return mapNext(spec.next, ({ text }) => (makers.get(text)?.() ?? last.get(text)!).built);
  };
  const plan = ({ text, rules, before, same, alike, size }: (typeof wanted)[number]): PlannedClass => {
    // An audit always shares the sets of its groups, and does not count for the layout of other classes.
    const isLarge =
      isAudit(rules) ||
      size.tuples > share ||
      (size.tuples > limits.maxClassTuples && rules.lookupsOfPort <= limits.maxLookupsOfPort);
    const sharesGroups = isLarge || limits.sharesGroups === true;
    const known = [same, fresh.get(text)].find((each) => each?.sharesGroups === sharesGroups);
    const draft = once(() => {
      const of = isLarge ? withSharedGroups(limits) : limits;
      return draftClass(rules, groups, groupSet, of, before?.built);
    });
    const measure =
      known ?? (alike?.sharesGroups === sharesGroups ? alike : { size, sharesGroups, work: workOf(draft()) });
    const make = once((): KnownClass => {
      const next = nextOf(rules);
      if (known && leadsTo(known.built, rules.spec, next)) return known;
      const after = buildClass(draft(), next, before?.built);
      const made = { ...measure, cost: costOf(after), built: after, limited: draft().rules.limited };
      fresh.set(text, made);
      return made;
    });
    return { ...measure, text, make };
  };
  const planned = wanted.map((each) => {
    const of = plan(each);
    makers.set(of.text, of.make);
    return of;
  });
  const isOver = (over: Classes['over'], all: readonly (MeasuredClass & { readonly text: string })[]): Classes => {
    const costs = all.map(({ text, size, work, cost, sharesGroups: shares }) => {
      return [text, { size, work, sharesGroups: shares, ...(cost !== undefined && { cost }) }] as const;
    });
    return {
      classes: none,
      visited: planned.length,
      rebuilt: [],
      hasSameChains: false,
      over,
      measured: new Map(costs),
    };
  };
  const work = sumsOf(
    'work',
    planned.map(({ text, work: value }) => ({ text, value })),
  );
  const overWork = tooMuch(work);
  if (overWork.size > 0) return isOver(overWork, planned);
  const priced = planned.map((each) => ({ ...each, cost: each.cost ?? each.make().cost }));
  const cost = sumsOf(
    'cost',
    priced.map(({ text, cost: value }) => ({ text, value })),
  );
  const over = tooMuch(cost);
  if (over.size > 0) return isOver(over, priced);
  const made = planned.map(({ text, make }) => [text, make()] as const);
  const changed = made.filter(([text, each]) => each !== last.get(text));
  const isOwn = (text: string): boolean => isOfNetworkPolicies(classification.classes.get(text)!.spec.role);
  // The classes that lead to a class have its name in their chains.
  if (totals && !changed.every(([text, { built }]) => isOwn(text) || areChainsSame(last.get(text)?.built, built)))
    return undefined;
  const classes = totals ? last.with(made) : new VersionedMap(new Map(made));
  const hasSameChains = changed.every(([text, each]) => areChainsSame(last.get(text)?.built, each.built));
  const rebuilt = changed.map(([, { built }]) => built);
  const now: Totals = { tuples, share, sums: { work, cost } };
  return { classes, totals: now, visited: planned.length, rebuilt, hasSameChains, over, measured: new Map() };
}

function isAudit({ spec }: ClassRules): boolean {
  return spec.role === 'audit';
}

const none = new VersionedMap<string, KnownClass>(new Map());

interface PlannedClass extends MeasuredClass {
  readonly text: string;
  /** Builds the class if it has changed since the last compile. */
  readonly make: () => KnownClass;
}

function areChainsSame(before: BuiltClass | undefined, { families: after }: BuiltClass): boolean {
  if (!before?.families || !after) return before !== undefined && before.families === after;
  return families.every((family) => before.families![family].chains === after[family].chains);
}

/** By direction, the class of isolated pods without allow rules. */
export function buildNoAllows(): Readonly<Record<Direction, BuiltClass>> {
  const build = (direction: Direction): BuiltClass => {
    const rules = readClass({
      ...{ direction, role: 'own', text: direction, textOfRules: direction },
      ...{ rules: [], isIsolated: true, next: {} },
    });
    const groupSet = new GroupSets().of(new Map(), 'all');
    return buildClass(draftClass(rules, new Map(), groupSet, defaultLimits));
  };
  return { ingress: build('ingress'), egress: build('egress') };
}
