import { compareText } from '../lib/sort.ts';
import { families, familyOf, type Family } from '../model/address.ts';
import type { Direction, PolicyId } from '../model/policy.ts';
import { changesSince, type AddressGroup, type LocalPod, type PodKey, type Snapshot } from '../model/snapshot.ts';
import type { Chain, Ruleset, Table } from '../nftables/ruleset.ts';
import { baseChains, type PodPermissions, type Surroundings } from './base-chains.ts';
import { bridgeTable } from './bridge-table.ts';
import { countedClasses, type CountedClass } from './class-counters.ts';
import {
  buildClass,
  defaultLimits,
  groupSetsOf,
  keepingApart,
  setsOf,
  type BuiltClass,
  type ShapeLimits,
} from './class-shape.ts';
import type { ClassSpec } from './class-spec.ts';
import { Classifier, type Classification, type PodSpecs } from './classify.ts';
import { keepUnchanged, replaceSets } from './keep-unchanged.ts';
import { devicesOf, guardedEnds, linkSets, tunnelTargetSet, type AddressClasses, type Devices } from './links.ts';
import { budgetOf, needOf, sizeOf, type ClassSize } from './node-budget.ts';
import { Pointer } from './point.ts';
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
  };
  /** Addresses of local pods that the rule set takes into account: where policies isolate them, they are isolated. */
  readonly localAddresses: ReadonlySet<string>;
  /** Policies whose allows are left out since they need too many elements here (S9.12), and how many. */
  readonly oversized: ReadonlyMap<PolicyId, number>;
  /** Those that count their packets. */
  readonly countedClasses: readonly CountedClass[];
}

const noDevices: Devices = { routed: [], ports: [] };

const notIsolated: PodSpecs = { ingress: undefined, egress: undefined };

interface KnownClass {
  readonly spec: ClassSpec;
  readonly size: ClassSize;
  readonly apart: boolean;
  /** Those that it reads, as they were. */
  readonly groups: readonly (AddressGroup | undefined)[];
  readonly built: BuiltClass;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<PolicyId>;
  readonly classification: Classification;
  /** By the text of their specs; none where it is too much. */
  readonly classes: ReadonlyMap<string, KnownClass>;
  /** Those that this run had to build, with what they were before. */
  readonly rebuilt: readonly { readonly before: BuiltClass | undefined; readonly after: BuiltClass }[];
  /** By how many members it is more than a node may hold. */
  readonly excess: number;
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
  readonly #limits: ShapeLimits;
  readonly #guard: Guard;
  readonly #allowed: PodPermissions;
  readonly #noAllows: Readonly<Record<Direction, BuiltClass>>;

  constructor({ limits = defaultLimits, guard = true, countsClasses = false, allowed = {} }: CompileOptions = {}) {
    this.#limits = { ...limits, counts: countsClasses || limits.counts === true };
    this.#guard = guard;
    this.#allowed = allowed;
    const noAllows = (direction: Direction): BuiltClass => {
      const spec: ClassSpec = { direction, text: direction, rules: [] };
      return buildClass(spec, new Map(), this.#groupSets, this.#limits);
    };
    this.#noAllows = { ingress: noAllows('ingress'), egress: noAllows('egress') };
  }

  /** `refused`: policies that the kernel did not take; they isolate, and allow nothing (S9.10). */
  compile(snapshot: Snapshot, refused: ReadonlySet<PolicyId> = new Set()): Compiled {
    const oversized = new Map<PolicyId, number>();
    for (;;) {
      const draft = this.#draft(snapshot, new Set([...refused, ...oversized.keys()]));
      const found = this.#findTooMuch(draft);
      for (const [id, elements] of found) oversized.set(id, elements);
      if (found.size === 0) return this.#finish(draft, oversized);
    }
  }

  #draft(snapshot: Snapshot, refused: ReadonlySet<PolicyId>): Draft {
    const built = (text: string): ClassSpec | undefined => this.#last.classes.get(text)?.spec;
    const classification = this.#classifier.classify(snapshot, refused, built);
    return { snapshot, refused, classification, ...this.#build(classification, snapshot) };
  }

  #finish(draft: Draft, oversized: ReadonlyMap<PolicyId, number>): Compiled {
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
      counts: { classes: classes.size, builtClasses: rebuilt.length, isolatedPods: classification.specs.size },
      localAddresses: classification.localAddresses,
      oversized,
      countedClasses: counted,
    };
  }

  /** All that packets meet, put together from the classes. */
  #assemble(draft: Draft): Ruleset {
    const { snapshot } = draft;
    const { gatedRanges, tunnelTargets } = snapshot;
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
    const routed = (family: Family): Table => {
      const ofFamily = gatedRanges.filter((range) => familyOf(range) === family);
      const base = this.#baseChainsOf(family, { gatedRanges: ofFamily, guarded, closesBridges, allowed });
      const pointed = this.#pointers[family].point(addresses, links, guarded);
      return tableOf({
        sets: [
          ...pointed.sets,
          ...(guardsLinks ? linkSets(family, links, closesBridges) : []),
          ...(guardsLinks && allowed.tunnels !== true ? [tunnelTargetSet(family, tunnelTargets)] : []),
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

  /** The chains and sets of every class: anew where one of its groups has changed. */
  #build(
    { classes: specs, readers }: Classification,
    { groups, groupHistory }: Snapshot,
  ): Pick<Draft, 'classes' | 'rebuilt' | 'excess'> {
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
    const { share, excess } = budgetOf(
      wanted.map(({ size }) => size),
      groups,
      this.#limits,
    );
    if (excess > 0) return { classes: new Map(), rebuilt: [], excess };
    const classes = new Map<string, KnownClass>();
    const rebuilt: Draft['rebuilt'][number][] = [];
    for (const { spec, before, same, size } of wanted) {
      const apart = size.product > share || this.#limits.apart === true;
      if (same?.apart === apart) {
        classes.set(spec.text, same);
        continue;
      }
      const limits = size.product > share ? keepingApart(this.#limits) : this.#limits;
      const built = buildClass(spec, groups, this.#groupSets, limits, before?.built);
      rebuilt.push({ before: before?.built, after: built });
      classes.set(spec.text, { spec, size, apart, groups: groupsOfClass(spec).map((id) => groups.get(id)), built });
    }
    return { classes, rebuilt, excess };
  }

  /** Of a node that would have to hold too much, the policies that need most (S9.12). */
  #findTooMuch({ snapshot, classification, refused, excess }: Draft): Map<PolicyId, number> {
    const found = new Map<PolicyId, number>();
    if (excess === 0) return found;
    const ids = new Set(snapshot.localPods.values().flatMap(({ policies }) => policies));
    const needs = [...ids.difference(refused)].map((id) => {
      return { id, elements: needOf(snapshot.policies.get(id)!, snapshot.groups, classification.specs.size) };
    });
    needs.sort((a, b) => b.elements - a.elements || compareText(a.id, b.id));
    let left = excess;
    for (const { id, elements } of needs) {
      found.set(id, elements);
      left -= elements;
      if (left <= 0) break;
    }
    return found;
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
