import { sorted } from '../lib/sort.ts';
import { VersionedMap } from '../lib/versioned-map.ts';
import type { PolicyId } from '../model/policy.ts';
import type { Delta, PodKey, Snapshot } from '../model/snapshot.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import {
  assemble,
  auditsOfAddresses,
  classesOfAddresses,
  type Guard,
  type NoAllows,
  type RuleOptions,
} from './assemble.ts';
import type { PodPermissions } from './base-chains.ts';
import { defaultBudgets, type Budgets } from './budgets.ts';
import { buildClasses, buildNoAllows, readersOf, type Classes, type KnownClass, type Totals } from './build-classes.ts';
import { groupSetsOf, linkClass, setsOf, type BuiltClass } from './class-shape.ts';
import { defaultLimits, type ShapeLimits } from './shape-limits.ts';
import { mapNext, type ClassSpec } from './class-spec.ts';
import { classify, type Classification } from './classify.ts';
import { fitBudgets } from './fit-budgets.ts';
import { GroupSets } from './group-sets.ts';
import { limitedNamesOf, type LimitedNames } from './ingress-names.ts';
import { keepUnchanged, replaceSets } from './keep-unchanged.ts';
import { LeftOutMemory, withoutGroups, type Oversize } from './left-out.ts';
import type { AddressClasses } from './links.ts';
import { readLocal, type LocalPart } from './local-part.ts';
import { NamespaceCosts } from './namespace-costs.ts';

export interface CompileOptions {
  readonly limits?: ShapeLimits;
  readonly budgets?: Budgets;
  readonly guard?: Guard;
  /** Default: nothing. */
  readonly allowed?: PodPermissions;
  /** Packets of flows that have passed the rules skip them (`flows.ts`). Default: off. */
  readonly fastPath?: boolean;
}

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly revision: number;
  readonly counts: {
    /** Distinct classes in the ruleset, the number that this run looked at, and the number that it built. */
    readonly classes: number;
    readonly visitedClasses: number;
    readonly builtClasses: number;
    readonly isolatedPods: number;
    /** `work`: upper bound of the work for all classes. `rounds`: attempts until the policies fit the budgets. */
    readonly work: number;
    readonly rounds: number;
  };
  /** Addresses of local pods in the ruleset. The ruleset isolates them where policies do. */
  readonly localAddresses: ReadonlySet<string>;
  /** Policies without allow rules, because they or their namespace are over a budget (S9.12, S9.13). */
  readonly oversized: ReadonlyMap<PolicyId, Oversize>;
  /** Policies whose port names the node does not know on each pod, so that it denies more there (S10.17). */
  readonly limitedNames: LimitedNames;
  /** The classes of a pod in `localPods` of this Snapshot. Call it before the indexer's next event. */
  readonly classesOf: (pod: PodKey) => AddressClasses;
  /** What finds the packets of the pod that policies in audit would deny. */
  readonly auditsOf: (pod: PodKey) => AddressClasses;
}

/** One budget round: the classes that it gave pods, and what they cost if that was too much. */
interface Tried {
  readonly classification: Classification;
  readonly measured: Classes['measured'];
  /** Missing if it was too much. */
  readonly totals?: Totals | undefined;
}

/** State that the next run reuses. */
interface Run {
  readonly local: LocalPart;
  readonly classification: Classification;
  /** This and `tried` have one entry for each budget round. The key is the sorted ids of the policies that the round left out. */
  readonly counted: ReadonlyMap<string, NamespaceCosts>;
  readonly tried: ReadonlyMap<string, Tried>;
  readonly classes: Classes['classes'];
  readonly ruleset: Ruleset;
}

/**
 * Compiles a Snapshot into a Ruleset. The result depends on the Snapshot alone. The Delta only saves work: classes with unchanged groups, and sets
 * with unchanged content, are the objects of the last run.
 */
export class Compiler {
  /** Replaced at the end of a successful run. If a run fails, nothing changes, and the next Delta includes its changes. */
  #last: Run | undefined;
  readonly #groupSets = new GroupSets();
  readonly #leftOut = new LeftOutMemory();
  readonly #limits: ShapeLimits;
  readonly #budgets: Budgets;
  readonly #ruleOptions: RuleOptions;
  readonly #noAllows: NoAllows;

  constructor(options: CompileOptions = {}) {
    const { limits = defaultLimits, budgets = defaultBudgets, guard = true } = options;
    this.#limits = limits;
    this.#budgets = budgets;
    this.#ruleOptions = { guard, allowed: options.allowed ?? {}, fastPath: options.fastPath ?? false };
    this.#noAllows = buildNoAllows();
  }

  /**
   * @param delta the changes since the last successful `compile`
   * @param refused policies that the kernel refused; they isolate and allow nothing (S9.10)
   */
  compile(snapshot: Snapshot, delta: Delta | 'all' = 'all', refused: ReadonlySet<PolicyId> = new Set()): Compiled {
    const { run, compiled } = this.#run(snapshot, delta, refused);
    this.#leftOut.remember(compiled.oversized, this.#budgets.namespace, snapshot, refused);
    this.#groupSets.forget(() => run.classes.values().flatMap(({ built }) => groupSetsOf(built)));
    this.#last = run;
    return compiled;
  }

  /** Like `compile`, but the next run continues from the last `compile`. */
  probe(snapshot: Snapshot, delta: Delta | 'all', refused: ReadonlySet<PolicyId>): Compiled {
    return this.#run(snapshot, delta, refused).compiled;
  }

  #run(
    snapshot: Snapshot,
    delta: Delta | 'all',
    refused: ReadonlySet<PolicyId>,
  ): { readonly run: Run; readonly compiled: Compiled } {
    const last = delta === 'all' ? undefined : this.#last;
    const { localChanged, groups: changedGroups } = delta === 'all' ? { localChanged: true, groups: new Map() } : delta;
    const onlyMembersChanged = last !== undefined && !localChanged;
    const groupSet = this.#groupSets.of(snapshot.groups, delta);

    // 1. Everything that does not depend on group members.
    const local = onlyMembersChanged ? last.local : readLocal(snapshot, last?.local);

    const counted = new Map<string, NamespaceCosts>();
    const tried = new Map<string, Tried>();
    const fresh = new Map<string, KnownClass>();
    const leftOut = new Map([...withoutGroups(snapshot), ...this.#leftOut.recall(snapshot, refused)]);
    // Steps 2 to 4 repeat with more policies left out until the rest fits the budgets.
    const { made, oversized, rounds } = fitBudgets(
      refused,
      leftOut,
      this.#budgets,
      // 2. Count the cost of policies.
      (without) => {
        const key = keyOf(without);
        const known = onlyMembersChanged ? last.counted.get(key) : undefined;
        const costs =
          counted.get(key) ??
          known?.after(snapshot.groups, changedGroups.keys()) ??
          NamespaceCosts.of(snapshot, local.kindsOfPolicies, without);
        counted.set(key, costs);
        return costs;
      },
      (without, costs, budgets) => {
        // 3. Give each pod its classes.
        const key = keyOf(without);
        const known = onlyMembersChanged ? last.tried.get(key) : undefined;
        const classification =
          known?.classification ??
          classify(local.kinds, snapshot.policies, without, this.#budgets, last?.classification);
        // 4. Build the chains and sets of classes.
        const { groups } = snapshot;
        const touched = readersOf(classification, changedGroups.keys());
        // Only the last round has totals, so its classification is that of `last.classes`.
        const totals = known?.totals;
        const before = { last: last?.classes ?? noClasses, totals, measured: known?.measured ?? new Map() };
        const input = { groups, groupSet, ...before, fresh, touched, limits: this.#limits };
        const built = buildClasses(classification, input, costs.byNamespace, budgets);
        tried.set(key, { classification, measured: built.measured, totals: built.totals });
        return { classification, ...built };
      },
    );
    const { classification, classes, visited, rebuilt, hasSameChains } = made;

    // 5. Build the tables: dispatch, gate and anti-spoofing around the classes. If no chain changed, replace sets only.
    const areChainsSame = last?.classification === classification && hasSameChains;
    const classesOf = (pod: PodKey): AddressClasses => {
      const { ingress, egress } = classification.specs.get(pod) ?? {};
      return { ingress: this.#builtOf(ingress, classes), egress: this.#builtOf(egress, classes) };
    };
    const auditsOf = (pod: PodKey): AddressClasses => {
      const { ingress, egress } = classification.audits.get(pod) ?? {};
      const builtOf = (spec: ClassSpec | undefined) => spec && classes.get(spec.text)?.built;
      return { ingress: builtOf(ingress), egress: builtOf(egress) };
    };
    const build = (): Ruleset => {
      const addresses = classesOfAddresses(snapshot, classesOf, this.#noAllows);
      const audits = auditsOfAddresses(snapshot, classification.audits.keys(), auditsOf);
      return assemble(snapshot, addresses, audits, this.#noAllows, local.nodeSets, this.#ruleOptions);
    };
    const ruleset = areChainsSame
      ? replaceSets(last.ruleset, rebuilt.flatMap(setsOf))
      : keepUnchanged(build(), last?.ruleset ?? {});

    const counts = {
      classes: classes.size,
      visitedClasses: visited,
      builtClasses: rebuilt.length,
      isolatedPods: classification.specs.size,
      work: classes.values().reduce((sum, { work }) => sum + work, 0),
      rounds,
    };
    const { localAddresses } = local;
    const names = new Set(classes.values().flatMap(({ limited }) => limited));
    return {
      run: { local, classification, counted, tried, classes, ruleset },
      compiled: {
        ruleset,
        revision: snapshot.revision,
        counts,
        localAddresses,
        oversized,
        limitedNames: limitedNamesOf(
          snapshot.policies.values().filter(({ id }) => !refused.has(id) && !oversized.has(id)),
          classification.nameless,
          names,
        ),
        classesOf,
        auditsOf,
      },
    };
  }

  #builtOf(spec: ClassSpec | undefined, classes: ReadonlyMap<string, KnownClass>): BuiltClass | undefined {
    const linked = ({ text, next, direction }: ClassSpec): BuiltClass => {
      return linkClass(classes.get(text)?.built ?? this.#noAllows[direction], mapNext(next, linked));
    };
    return spec && linked(spec);
  }
}

const noClasses: Classes['classes'] = new VersionedMap(new Map());

function keyOf(policies: ReadonlySet<PolicyId>): string {
  return JSON.stringify(sorted(policies));
}
