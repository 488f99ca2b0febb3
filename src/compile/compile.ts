import { families, familyOf, type Family } from '../model/address.ts';
import type { Direction, PolicyId } from '../model/policy.ts';
import { changesSince, type AddressGroup, type LocalPod, type PodKey, type Snapshot } from '../model/snapshot.ts';
import type { Chain, Ruleset, Table } from '../nftables/ruleset.ts';
import { baseChains, type PodPermissions, type Surroundings } from './base-chains.ts';
import { bridgeTable } from './bridge-table.ts';
import { countedClasses, type CountedClass } from './class-counters.ts';
import { defaultBudgets, overBudget, type Budgets, type Excess } from './budgets.ts';
import {
  buildClass,
  costOf,
  defaultLimits,
  draftClass,
  groupSetsOf,
  keepingApart,
  setsOf,
  workOf,
  type BuiltClass,
  type ClassDraft,
  type ShapeLimits,
} from './class-shape.ts';
import type { ClassSpec } from './class-spec.ts';
import { Classifier, type Classification, type PodSpecs } from './classify.ts';
import { keepUnchanged, replaceSets } from './keep-unchanged.ts';
import { devicesOf, guardedEnds, linkSets, nodeSets, type AddressClasses, type Devices } from './links.ts';
import { LeftOutMemory, withoutGroups, type Oversize } from './left-out.ts';
import { shareOf, sizeOf, type ClassSize } from './node-budget.ts';
import { Pointer } from './point.ts';
import { namespaceOf, PolicyCounter, type PolicyCosts } from './policy-cost.ts';
import { groupsOfClass } from './resolve.ts';
import { GroupSets } from './set-builder.ts';
import { tableOf } from './table.ts';

/**
 * Whether what comes by the devices of pods is held to the pods' own addresses (S1.15); `routed`: not by ports of bridges; `without-targets`: but for
 * what neighbour discovery is about, which older versions of nft cannot read.
 */
export type Guard = boolean | 'routed' | 'without-targets';

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
}

const noDevices: Devices = { routed: [], ports: [] };

const notIsolated: PodSpecs = { ingress: undefined, egress: undefined };

const noBudgets: Budgets = { policy: Infinity, namespace: Infinity, node: Infinity };

interface KnownClass {
  readonly spec: ClassSpec;
  readonly size: ClassSize;
  readonly work: number;
  readonly cost: number;
  readonly apart: boolean;
  /** Those that it reads, as they were. */
  readonly groups: readonly (AddressGroup | undefined)[];
  readonly built: BuiltClass;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly classification: Classification;
  /** By the text of their specs; none where it is too much. */
  readonly classes: ReadonlyMap<string, KnownClass>;
  /** Those that this run had to build, with what they were before. */
  readonly rebuilt: readonly { readonly before: BuiltClass | undefined; readonly after: BuiltClass }[];
  /** The namespaces that cost too much. */
  readonly over: ReadonlyMap<string, Excess>;
}

/** A rule set, and all that it was made of. */
interface Made {
  readonly classification?: Classification;
  readonly classes: ReadonlyMap<string, KnownClass>;
  readonly groupHistory?: Snapshot['groupHistory'];
  readonly ruleset: Ruleset;
  readonly countedClasses: readonly CountedClass[];
}

/**
 * Snapshot -> Ruleset. The answer depends on the snapshot alone; what is remembered between runs only saves work: classes whose
 * groups have not changed, and sets whose content has not changed, are the very objects of the last run.
 */
export class Compiler {
  readonly #classifier = new Classifier();
  /** Replaced in one piece when all is done: whatever a run that failed has begun, the next one begins again. */
  #last: Made = { classes: new Map(), ruleset: {}, countedClasses: [] };
  readonly #base = new Map<Family, { readonly text: string; readonly chains: readonly Chain[] }>();
  readonly #groupSets = new GroupSets();
  readonly #pointers = { ipv4: new Pointer('ipv4'), ipv6: new Pointer('ipv6') };
  readonly #counter = new PolicyCounter();
  readonly #leftOut = new LeftOutMemory();
  readonly #limits: ShapeLimits;
  readonly #budgets: Budgets;
  readonly #guard: Guard;
  readonly #allowed: PodPermissions;
  readonly #noAllows: Readonly<Record<Direction, BuiltClass>>;

  constructor(options: CompileOptions = {}) {
    const {
      limits = defaultLimits,
      budgets = defaultBudgets,
      guard = true,
      countsClasses = false,
      allowed = {},
    } = options;
    this.#limits = { ...limits, counts: countsClasses || limits.counts === true };
    this.#budgets = budgets;
    this.#guard = guard;
    this.#allowed = allowed;
    const noAllows = (direction: Direction): BuiltClass => {
      const spec: ClassSpec = { direction, text: direction, rules: [] };
      return buildClass(draftClass(spec, new Map(), this.#groupSets, this.#limits));
    };
    this.#noAllows = { ingress: noAllows('ingress'), egress: noAllows('egress') };
  }

  /** `refused`: policies that the kernel did not take; they isolate, and allow nothing (S9.10). */
  compile(snapshot: Snapshot, refused: ReadonlySet<PolicyId> = new Set()): Compiled {
    const oversized = new Map([...withoutGroups(snapshot), ...this.#leftOut.recall(snapshot, refused)]);
    const atLeast = new Map<string, number>();
    let budgets = this.#budgets;
    for (let rounds = 1; ; rounds++) {
      const without = new Set([...refused, ...oversized.keys()]);
      const costs = this.#counter.count(snapshot, without);
      const found = findTooLarge(snapshot, without, costs, budgets.policy);
      let over: ReadonlyMap<string, Excess> = overBudget(costs.namespaces, budgets);
      if (found.size === 0 && over.size === 0) {
        const draft = this.#draft(snapshot, without, costs, budgets);
        if (draft.over.size === 0) {
          this.#leftOut.remember(oversized, this.#budgets.namespace, snapshot, refused);
          return this.#finish(draft, oversized, rounds);
        }
        over = draft.over;
      }
      for (const [namespace, excess] of over) {
        const count = atLeast.get(namespace) ?? 1;
        atLeast.set(namespace, 2 * count);
        for (const { policy, own } of costs.largest(namespace, excess, count)) {
          found.set(policy.id, { of: 'namespace', own, ...excess });
        }
      }
      for (const each of found) oversized.set(...each);
      // What isolating alone costs has no budget.
      if (found.size === 0) budgets = noBudgets;
    }
  }

  #draft(snapshot: Snapshot, refused: ReadonlySet<PolicyId>, costs: PolicyCosts, budgets: Budgets): Draft {
    const built = (text: string): ClassSpec | undefined => this.#last.classes.get(text)?.spec;
    const classification = this.#classifier.classify(snapshot, refused, built);
    return { snapshot, classification, ...this.#build(classification, snapshot, costs.namespaces, budgets) };
  }

  #finish(draft: Draft, oversized: ReadonlyMap<PolicyId, Oversize>, rounds: number): Compiled {
    const { snapshot, classification, classes, rebuilt } = draft;
    const last = this.#last;
    const onlySets =
      last.classification === classification && rebuilt.every(({ before, after }) => hasSameChains(before, after));
    const ruleset = onlySets
      ? replaceSets(
          last.ruleset,
          rebuilt.flatMap(({ after }) => setsOf(after)),
        )
      : keepUnchanged(this.#assemble(draft), last.ruleset);
    const counted = onlySets ? last.countedClasses : this.#countedClasses(draft);
    this.#last = { classification, classes, groupHistory: snapshot.groupHistory, ruleset, countedClasses: counted };
    this.#groupSets.forget(() => classes.values().flatMap(({ built }) => groupSetsOf(built)));
    return {
      ruleset,
      revision: snapshot.revision,
      counts: {
        classes: classes.size,
        builtClasses: rebuilt.length,
        isolatedPods: classification.specs.size,
        work: classes.values().reduce((sum, { work }) => sum + work, 0),
        rounds,
      },
      localAddresses: classification.localAddresses,
      oversized,
      countedClasses: counted,
    };
  }

  /** All that packets meet, put together from the classes. */
  #assemble(draft: Draft): Ruleset {
    const { snapshot } = draft;
    const { gatedRanges, nodeAddresses } = snapshot;
    const allowed = this.#allowed;
    // Without a table of their own, bridges are as closed as what they switch can be told apart.
    const closesBridges = this.#guard === 'routed';
    const readsTargets = this.#guard !== 'without-targets';
    const addresses = this.#classesOfAddresses(draft);
    const { routed: links, ports: bridged } = this.#guard ? devicesOf(snapshot, addresses) : noDevices;
    const ports = closesBridges ? [] : bridged;
    const linked = new Set(links.flatMap((device) => [...device.linked]));
    const unlinked = [...addresses.keys()].filter((address) => !linked.has(address));
    const guarded = guardedEnds(links, closesBridges);
    const guardsLinks = guarded.length > 0;
    const holdsTunnels = guardsLinks && allowed.tunnels !== true;
    const routed = (family: Family): Table => {
      const ofFamily = gatedRanges.filter((range) => familyOf(range) === family);
      const nodes = nodeSets(family, nodeAddresses);
      const base = this.#baseChainsOf(family, {
        gatedRanges: ofFamily,
        podRanges: nodes.podRanges.elements.size > 0 ? nodes.podRanges.name : undefined,
        guarded,
        closesBridges,
        allowed,
      });
      const pointed = this.#pointers[family].point(addresses, links, guarded);
      return tableOf({
        sets: [
          ...pointed.sets,
          ...(guardsLinks ? linkSets(family, links, guarded, closesBridges) : []),
          ...(guardsLinks ? nodes.own : []),
          ...(holdsTunnels ? [nodes.others] : []),
          ...(holdsTunnels && nodes.podRanges.elements.size > 0 ? [nodes.podRanges] : []),
        ],
        maps: pointed.maps,
        chains: [...base, ...pointed.chains],
      });
    };
    return {
      ip: routed('ipv4'),
      ip6: routed('ipv6'),
      ...(ports.length > 0 && {
        bridge: bridgeTable(ports, { gatedRanges, unlinked, noAllows: this.#noAllows.ingress, allowed, readsTargets }),
      }),
    };
  }

  /**
   * The chains and sets of every class: anew where one of its groups has changed. What that takes is counted before, and what nft will have to
   * do for it after; where either is too much, nothing is made of it.
   */
  #build(
    classification: Classification,
    { groups, groupHistory }: Snapshot,
    namespaces: ReadonlyMap<string, number>,
    budgets: Budgets,
  ): Pick<Draft, 'classes' | 'rebuilt' | 'over'> {
    const { classes: specs, readers } = classification;
    const last = this.#last;
    const changed = changesSince(last.groupHistory, groupHistory);
    const touched = changed && new Set(changed.flatMap((id) => readers.get(id) ?? []));
    const isUnchanged = (spec: ClassSpec, known: KnownClass): boolean =>
      touched
        ? !touched.has(spec)
        : groupsOfClass(known.spec).every((id, index) => groups.get(id) === known.groups[index]);
    const wanted = specs
      .values()
      .map((spec) => {
        const before = last.classes.get(spec.text);
        const same = before && isUnchanged(spec, before) ? before : undefined;
        return { spec, before, same, size: same?.size ?? sizeOf(spec, groups) };
      })
      .toArray();
    const share = shareOf(
      wanted.map(({ size }) => size),
      this.#limits,
    );
    const payers = payersOf(classification);
    const tooMuch = (costs: ReadonlyMap<string, number>): ReadonlyMap<string, Excess> => {
      const sums = new Map(namespaces);
      for (const [text, cost] of costs) {
        for (const namespace of payers.get(text)!) sums.set(namespace, (sums.get(namespace) ?? 0) + cost);
      }
      return overBudget(sums, budgets);
    };
    const kept = new Map<string, KnownClass>();
    const drafts: {
      draft: ClassDraft;
      before: KnownClass | undefined;
      size: ClassSize;
      apart: boolean;
      work: number;
    }[] = [];
    const work = new Map<string, number>();
    for (const { spec, before, same, size } of wanted) {
      const apart = size.product > share || this.#limits.apart === true;
      if (same?.apart === apart) {
        kept.set(spec.text, same);
        work.set(spec.text, same.work);
        continue;
      }
      const limits = size.product > share ? keepingApart(this.#limits) : this.#limits;
      const draft = draftClass(spec, groups, this.#groupSets, limits);
      const workOfDraft = workOf(draft);
      work.set(spec.text, workOfDraft);
      drafts.push({ draft, before, size, apart, work: workOfDraft });
    }
    let over = tooMuch(work);
    if (over.size > 0) return { classes: new Map(), rebuilt: [], over };
    const classes = new Map<string, KnownClass>();
    const rebuilt: Draft['rebuilt'][number][] = [];
    const built = new Map<string, KnownClass>();
    for (const { draft, before, ...rest } of drafts) {
      const { spec } = draft;
      const after = buildClass(draft, before?.built);
      rebuilt.push({ before: before?.built, after });
      const of = groupsOfClass(spec).map((id) => groups.get(id));
      built.set(spec.text, { ...rest, spec, cost: costOf(after), groups: of, built: after });
    }
    for (const text of specs.keys()) classes.set(text, (kept.get(text) ?? built.get(text))!);
    over = tooMuch(new Map(classes.entries().map(([text, { cost }]) => [text, cost])));
    return { classes, rebuilt, over };
  }

  #countedClasses(draft: Draft): readonly CountedClass[] {
    return this.#limits.counts ? countedClasses(this.#judged(draft), draft.snapshot.policies) : [];
  }

  *#judged(draft: Draft): Generator<readonly [LocalPod, AddressClasses]> {
    for (const pod of draft.snapshot.localPods.values()) yield [pod, this.#classesOf(pod.key, draft)];
  }

  #classesOf(key: PodKey, { classification, classes }: Draft): AddressClasses {
    const specs = classification.specs.get(key) ?? notIsolated;
    const built = (spec: ClassSpec | undefined) =>
      spec && (classes.get(spec.text)?.built ?? this.#noAllows[spec.direction]);
    return { ingress: built(specs.ingress), egress: built(specs.egress) };
  }

  /** The classes of every local address, denied ones among them. */
  #classesOfAddresses(draft: Draft): Map<string, AddressClasses> {
    const { localPods, denied } = draft.snapshot;
    const addresses = new Map<string, AddressClasses>();
    for (const [key, pod] of localPods) {
      const judges = this.#classesOf(key, draft);
      for (const address of pod.addresses) addresses.set(address, judges);
    }
    for (const [address, deniedIn] of denied) {
      const deny = (direction: Direction) => (deniedIn.has(direction) ? this.#noAllows[direction] : undefined);
      addresses.set(address, { ingress: deny('ingress'), egress: deny('egress') });
    }
    return addresses;
  }

  #baseChainsOf(family: Family, surroundings: Surroundings): readonly Chain[] {
    const text = JSON.stringify(surroundings);
    const known = this.#base.get(family);
    if (known?.text === text) return known.chains;
    const chains = baseChains(family, surroundings);
    this.#base.set(family, { text, chains });
    return chains;
  }
}

/** Then only the sets that they look in are others: a chain is named by what it looks up. */
function hasSameChains(before: BuiltClass | undefined, { families: after }: BuiltClass): boolean {
  if (!before?.families || !after) return before !== undefined && before.families === after;
  return families.every((family) => before.families![family].chains === after[family].chains);
}

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

/** Policies that cost too much by themselves. */
function findTooLarge(
  { policies }: Snapshot,
  without: ReadonlySet<PolicyId>,
  costs: PolicyCosts,
  budget: number,
): Map<PolicyId, Oversize> {
  const found = new Map<PolicyId, Oversize>();
  for (const policy of policies.values()) {
    if (without.has(policy.id)) continue;
    const own = costs.of(policy);
    if (own > budget) found.set(policy.id, { of: 'policy', own, cost: own, budget });
  }
  return found;
}
