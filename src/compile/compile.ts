import { sorted } from '../lib/sort.ts';
import type { PolicyId } from '../model/policy.ts';
import type { Delta, PodKey, Snapshot } from '../model/snapshot.ts';
import { ElementChanges } from '../nftables/element-changes.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import { assemble, classesOfAddresses, type AntiSpoof, type Guard, type NoAllows } from './assemble.ts';
import type { PodPermissions } from './base-chains.ts';
import { defaultBudgets, type Budgets } from './budgets.ts';
import { buildClasses, buildNoAllows, readersOf, type KnownClass } from './build-classes.ts';
import { countedClasses, type CountedClass } from './class-counters.ts';
import { defaultLimits, groupSetsOf, setsOf, type BuiltClass, type ShapeLimits } from './class-shape.ts';
import type { ClassSpec } from './class-spec.ts';
import { classify, type Classification } from './classify.ts';
import { fitBudgets } from './fit-budgets.ts';
import { keepUnchanged, replaceSets } from './keep-unchanged.ts';
import { LeftOutMemory, withoutGroups, type Oversize } from './left-out.ts';
import type { AddressClasses } from './links.ts';
import { readLocal, type LocalPart } from './local-part.ts';
import { countCosts } from './policy-cost.ts';
import { GroupSets } from './set-builder.ts';

export interface CompileOptions {
  readonly limits?: ShapeLimits;
  readonly budgets?: Budgets;
  readonly guard?: Guard;
  /** Nothing unless told otherwise. */
  readonly allowed?: PodPermissions;
  /** Each class counts its packets. Off unless told otherwise. */
  readonly countsClasses?: boolean;
}

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly revision: number;
  readonly counts: {
    /** Distinct classes in the rule set, and how many of them this run had to build. */
    readonly classes: number;
    readonly builtClasses: number;
    readonly isolatedPods: number;
    /** What is gone through to build all classes, at most, and how often it was tried with fewer policies. */
    readonly work: number;
    readonly rounds: number;
  };
  /** Addresses of local pods that the rule set takes into account: where policies isolate them, they are isolated. */
  readonly localAddresses: ReadonlySet<string>;
  /** Policies whose allows are left out since they, or all of their namespace, cost this node too much (S9.12, S9.13). */
  readonly oversized: ReadonlyMap<PolicyId, Oversize>;
  /** Those that count their packets. */
  readonly countedClasses: readonly CountedClass[];
  /** How the sets came from those of the compile before. */
  readonly changes: ElementChanges;
}

/** What the next run needs to know of this one. */
interface Run {
  readonly local: LocalPart;
  readonly classification: Classification;
  /** Those that the run tried, by the policies that they do without. */
  readonly tried: ReadonlyMap<string, Classification>;
  readonly classes: ReadonlyMap<string, KnownClass>;
  readonly ruleset: Ruleset;
  readonly countedClasses: readonly CountedClass[];
}

/**
 * Snapshot -> Ruleset. The answer depends on the Snapshot alone. A Delta tells what the last run need not do again: classes whose groups have
 * not changed, and sets whose content has not changed, are its very objects.
 */
export class Compiler {
  /** Replaced in one piece when all is done: a run that fails changes nothing, and the next Delta holds what was its. */
  #last: Run | undefined;
  readonly #groupSets = new GroupSets();
  readonly #leftOut = new LeftOutMemory();
  readonly #limits: ShapeLimits;
  readonly #budgets: Budgets;
  readonly #antiSpoof: AntiSpoof;
  readonly #noAllows: NoAllows;

  constructor(options: CompileOptions = {}) {
    const { limits = defaultLimits, budgets = defaultBudgets, guard = true, countsClasses = false } = options;
    this.#limits = { ...limits, counts: countsClasses || limits.counts === true };
    this.#budgets = budgets;
    this.#antiSpoof = { guard, allowed: options.allowed ?? {} };
    this.#noAllows = buildNoAllows(this.#limits);
  }

  /**
   * @param delta what has changed since the last `compile`
   * @param refused policies that the kernel did not take; they isolate, and allow nothing (S9.10)
   */
  compile(snapshot: Snapshot, delta: Delta | 'all' = 'all', refused: ReadonlySet<PolicyId> = new Set()): Compiled {
    const { run, compiled } = this.#run(snapshot, delta, refused);
    this.#leftOut.remember(compiled.oversized, this.#budgets.namespace, snapshot, refused);
    this.#groupSets.forget(() => run.classes.values().flatMap(({ built }) => groupSetsOf(built)));
    this.#last = run;
    return compiled;
  }

  /** As `compile`, and the next run goes on from where the last `compile` was. */
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
    const isLocalSame = last !== undefined && !localChanged;
    const changes = new ElementChanges();
    const groupSet = this.#groupSets.of(snapshot.groups, delta, changes);

    // 1. What follows from the Snapshot without the members of groups.
    const local = isLocalSame ? last.local : readLocal(snapshot, last?.local);

    const tried = new Map<string, Classification>();
    const leftOut = new Map([...withoutGroups(snapshot), ...this.#leftOut.recall(snapshot, refused)]);
    const { made, oversized, rounds } = fitBudgets(
      snapshot,
      refused,
      leftOut,
      this.#budgets,
      // 2. What policies cost; those that cost too much are left out, and it begins again.
      (without) => countCosts(snapshot, local.kindsOfPolicies, without),
      (without, costs, budgets) => {
        // 3. Which classes pods have.
        const key = JSON.stringify(sorted(without));
        const known = isLocalSame ? last.tried.get(key) : undefined;
        const classification = known ?? classify(local.kinds, snapshot.policies, without, last?.classification);
        tried.set(key, classification);
        // 4. The chains and sets of classes.
        const { groups } = snapshot;
        const touched = readersOf(classification, changedGroups.keys());
        const input = { groups, groupSet, changes, last: last?.classes ?? new Map(), touched, limits: this.#limits };
        return { classification, ...buildClasses(classification, input, costs.namespaces, budgets) };
      },
    );
    const { classification, classes, rebuilt, hasSameChains } = made;

    // 5. The tables: dispatch, gate and anti-spoofing around the classes. Where all chains are the same, only sets are others.
    const isSameChains = last?.classification === classification && hasSameChains;
    const classesOf = (pod: PodKey): AddressClasses => {
      const { ingress, egress } = classification.specs.get(pod) ?? {};
      return { ingress: this.#builtOf(ingress, classes), egress: this.#builtOf(egress, classes) };
    };
    const build = (): Ruleset => {
      const addresses = classesOfAddresses(snapshot, classesOf, this.#noAllows);
      return assemble(snapshot, addresses, this.#noAllows, local.nodeSets, this.#antiSpoof);
    };
    const ruleset = isSameChains
      ? replaceSets(last.ruleset, rebuilt.flatMap(setsOf), changes)
      : keepUnchanged(build(), last?.ruleset ?? {}, changes);
    const counted = isSameChains ? last.countedClasses : this.#countClasses(snapshot, classesOf);

    const counts = {
      classes: classes.size,
      builtClasses: rebuilt.length,
      isolatedPods: classification.specs.size,
      work: classes.values().reduce((sum, { work }) => sum + work, 0),
      rounds,
    };
    const { localAddresses } = local;
    return {
      run: { local, classification, tried, classes, ruleset, countedClasses: counted },
      compiled: {
        ruleset,
        revision: snapshot.revision,
        counts,
        localAddresses,
        oversized,
        countedClasses: counted,
        changes,
      },
    };
  }

  #builtOf(spec: ClassSpec | undefined, classes: ReadonlyMap<string, KnownClass>): BuiltClass | undefined {
    return spec && (classes.get(spec.text)?.built ?? this.#noAllows[spec.direction]);
  }

  #countClasses({ localPods, policies }: Snapshot, classesOf: (pod: PodKey) => AddressClasses): CountedClass[] {
    if (!this.#limits.counts) return [];
    return countedClasses(
      localPods.values().map((pod) => [pod, classesOf(pod.key)]),
      policies,
    );
  }
}
