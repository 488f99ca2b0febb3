import { compareText } from '../lib/sort.ts';
import { familyOf, type Family } from '../model/address.ts';
import type { Direction, Policy, PolicyId } from '../model/policy.ts';
import type { AddressGroup, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { sameElements } from '../nftables/element-changes.ts';
import { tableFamilies, type Chain, type NftSet, type Ruleset, type Table } from '../nftables/ruleset.ts';
import { baseChains, type Surroundings } from './base-chains.ts';
import { bridgeTable } from './bridge-table.ts';
import { countedClasses, type CountedClass } from './class-counters.ts';
import {
  buildClass,
  defaultLimits,
  groupSetsOf,
  keepingApart,
  type BuiltClass,
  type ShapeLimits,
} from './class-shape.ts';
import { classSpecsOf, type ClassSpec } from './class-spec.ts';
import { devicesOf, linkSets, type AddressClasses } from './links.ts';
import { budgetOf, needOf, sizeOf } from './node-budget.ts';
import { Pointer } from './point.ts';
import { groupsOfClass } from './resolve.ts';
import { GroupSets } from './set-builder.ts';
import { tableOf } from './table.ts';

/** Whether what comes by the devices of pods is held to the pods' own addresses (S1.15); `routed`: not by ports of bridges. */
export type Guard = boolean | 'routed';

export interface CompileOptions {
  readonly limits?: ShapeLimits;
  readonly guard?: Guard;
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

interface PodClasses {
  readonly policies: readonly (Policy | undefined)[];
  readonly specs: Readonly<Record<Direction, ClassSpec | undefined>>;
}

const notIsolated: PodClasses['specs'] = { ingress: undefined, egress: undefined };

interface KnownClass {
  readonly spec: ClassSpec;
  readonly apart: boolean;
  readonly groups: readonly (AddressGroup | undefined)[];
  readonly built: BuiltClass;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<PolicyId>;
  readonly specs: Map<PodKey, PodClasses['specs']>;
  readonly classes: Map<string, BuiltClass>;
  builtClasses: number;
  /** By how many members it is more than a node may hold; then no class is built. */
  excess: number;
}

/**
 * Snapshot -> Ruleset. The answer depends on the snapshot alone; what is remembered between runs only saves work: classes whose
 * groups have not changed, and sets whose content has not changed, are the very objects of the last run.
 */
export class Compiler {
  #podClasses = new WeakMap<LocalPod, PodClasses>();
  #classes = new Map<string, KnownClass>();
  #last: Ruleset = {};
  readonly #base = new Map<Family, { readonly text: string; readonly chains: readonly Chain[] }>();
  readonly #groupSets = new GroupSets();
  readonly #pointers = { ipv4: new Pointer('ipv4'), ipv6: new Pointer('ipv6') };
  readonly #limits: ShapeLimits;
  readonly #guard: Guard;
  readonly #noAllows: Readonly<Record<Direction, BuiltClass>>;

  constructor({ limits = defaultLimits, guard = true, countsClasses = false }: CompileOptions = {}) {
    this.#limits = { ...limits, counts: countsClasses || limits.counts === true };
    this.#guard = guard;
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
    const draft: Draft = {
      snapshot,
      refused,
      specs: new Map(),
      classes: new Map(),
      builtClasses: 0,
      excess: 0,
    };
    this.#classify(draft);
    this.#build(draft);
    return draft;
  }

  #finish(draft: Draft, oversized: ReadonlyMap<PolicyId, number>): Compiled {
    const { snapshot, builtClasses } = draft;
    return {
      ruleset: this.#keepUnchanged(this.#assemble(draft), draft),
      revision: snapshot.revision,
      counts: { classes: draft.classes.size, builtClasses, isolatedPods: draft.specs.size },
      localAddresses: new Set(snapshot.localPods.values().flatMap((pod) => pod.addresses)),
      oversized,
      countedClasses: this.#limits.counts ? countedClasses(this.#judged(draft), snapshot.policies) : [],
    };
  }

  #assemble(draft: Draft): Ruleset {
    const { gatedRanges } = draft.snapshot;
    const addresses = this.#classesOfAddresses(draft);
    const devices = this.#guard ? devicesOf(draft.snapshot, addresses) : [];
    const ports = this.#guard === 'routed' ? [] : devices.filter(({ isPort }) => isPort);
    const links = devices.filter(({ isPort }) => !isPort);
    const linked = new Set(devices.flatMap((device) => [...device.linked]));
    const unlinked = [...addresses.keys()].filter((address) => !linked.has(address));
    const guardsLinks = links.length > 0;
    const routed = (family: Family): Table => {
      const ofFamily = gatedRanges.filter((range) => familyOf(range) === family);
      const base = this.#baseChainsOf(family, { gatedRanges: ofFamily, guardsLinks });
      const pointed = this.#pointers[family].point(addresses, links);
      return tableOf({
        sets: [...pointed.sets, ...(guardsLinks ? linkSets(family, links) : [])],
        maps: pointed.maps,
        chains: [...base, ...pointed.chains],
      });
    };
    return {
      ip: routed('ipv4'),
      ip6: routed('ipv6'),
      ...(ports.length > 0 && {
        bridge: bridgeTable(ports, { gatedRanges, unlinked, noAllows: this.#noAllows.ingress }),
      }),
    };
  }

  /** Which class each local pod has in each direction. */
  #classify(draft: Draft): void {
    for (const [key, pod] of draft.snapshot.localPods) {
      if (pod.policies.length === 0) continue;
      const policies = pod.policies.map((id) => draft.snapshot.policies.get(id));
      const known = draft.refused.size === 0 ? this.#podClasses.get(pod) : undefined;
      if (known && policies.every((policy, index) => policy === known.policies[index])) {
        draft.specs.set(key, known.specs);
        continue;
      }
      const specs = classSpecsOf(pod, policies as Policy[], draft.refused);
      draft.specs.set(key, specs);
      if (draft.refused.size === 0) this.#podClasses.set(pod, { policies, specs });
    }
  }

  /** The chains and sets of every class, from memory where its groups are the same. */
  #build(draft: Draft): void {
    const specs = new Map<string, ClassSpec>();
    for (const spec of draft.specs.values().flatMap(({ ingress, egress }) => [ingress, egress])) {
      // Equal specs are the first one, of which more is remembered.
      if (spec && !specs.has(spec.text)) specs.set(spec.text, this.#classes.get(spec.text)?.spec ?? spec);
    }
    const { groups } = draft.snapshot;
    const budget = budgetOf([...specs.values()], groups, this.#limits);
    draft.excess = budget.excess;
    if (draft.excess > 0) return;
    const next = new Map<string, KnownClass>();
    for (const [text, spec] of specs) {
      const entry = this.#buildOne(
        spec,
        budget.share < Infinity && sizeOf(spec, groups) > budget.share ? keepingApart(this.#limits) : this.#limits,
        draft,
      );
      next.set(text, entry);
      draft.classes.set(text, entry.built);
    }
    this.#classes = next;
  }

  #buildOne(spec: ClassSpec, limits: ShapeLimits, draft: Draft): KnownClass {
    const apart = limits.apart ?? false;
    const known = this.#classes.get(spec.text);
    const groups = groupsOfClass(spec).map((id) => draft.snapshot.groups.get(id));
    if (known?.apart === apart && groups.every((group, index) => group === known.groups[index])) return known;
    draft.builtClasses++;
    return {
      spec,
      apart,
      groups,
      built: buildClass(spec, draft.snapshot.groups, this.#groupSets, limits, known?.built),
    };
  }

  /** Of a node that would have to hold too much, the policies that need most (S9.12). */
  #findTooMuch({ snapshot, specs, refused, excess }: Draft): Map<PolicyId, number> {
    const found = new Map<PolicyId, number>();
    if (excess === 0) return found;
    const ids = new Set(snapshot.localPods.values().flatMap(({ policies }) => policies));
    const needs = [...ids.difference(refused)].map((id) => {
      return { id, elements: needOf(snapshot.policies.get(id)!, snapshot.groups, specs.size) };
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

  *#judged({ snapshot, specs, classes }: Draft): Generator<readonly [LocalPod, AddressClasses]> {
    for (const pod of snapshot.localPods.values()) yield [pod, this.#classesOf(specs.get(pod.key), classes)];
  }

  #classesOf(specs: PodClasses['specs'] = notIsolated, classes: Draft['classes']): AddressClasses {
    const built = (spec: ClassSpec | undefined) => spec && (classes.get(spec.text) ?? this.#noAllows[spec.direction]);
    return { ingress: built(specs.ingress), egress: built(specs.egress) };
  }

  /** The classes of every local address, denied ones among them. */
  #classesOfAddresses({ snapshot, specs, classes }: Draft): Map<string, AddressClasses> {
    const addresses = new Map<string, AddressClasses>();
    for (const [key, pod] of snapshot.localPods) {
      const judges = this.#classesOf(specs.get(key), classes);
      for (const address of pod.addresses) addresses.set(address, judges);
    }
    for (const [address, deniedIn] of snapshot.denied) {
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

  /** Sets with equal content stay the same object, so that the plan need not compare them again. */
  #keepUnchanged(ruleset: Ruleset, { classes }: Draft): Ruleset {
    const kept = tableFamilies.flatMap((family) => {
      const table = ruleset[family];
      return table ? [[family, keepTable(table, this.#last[family])] as const] : [];
    });
    this.#groupSets.forget(() => [...classes.values()].flatMap(groupSetsOf));
    return (this.#last = Object.fromEntries(kept));
  }
}

/** What is the same as before is the very object, down to the whole table: the plan need not look at it. */
function keepTable(table: Table, last: Table | undefined): Table {
  if (!last) return table;
  const maps = keepAll(table.maps, last.maps);
  const chains = keepAll(table.chains, last.chains);
  const sets = keepAll(keepUnchanged(table.sets, last.sets), last.sets);
  return sets === last.sets && maps === last.maps && chains === last.chains ? last : { sets, maps, chains };
}

function keepAll<T>(objects: ReadonlyMap<string, T>, last: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  if (objects.size !== last.size) return objects;
  for (const [name, object] of objects) if (last.get(name) !== object) return objects;
  return last;
}

function keepUnchanged(sets: Table['sets'], last: Table['sets']): Map<string, NftSet> {
  return new Map(
    [...sets].map(([name, set]) => {
      const known = last.get(name);
      return [name, known && isSame(known, set) ? known : set];
    }),
  );
}

function isSame(a: NftSet, b: NftSet): boolean {
  return a === b || (a.interval === b.interval && sameElements(a.elements, b.elements));
}
