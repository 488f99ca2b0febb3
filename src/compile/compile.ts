import { compareText } from '../lib/sort.ts';
import { families, familyOf, type Family } from '../model/address.ts';
import type { Direction, GroupId, PolicyId } from '../model/policy.ts';
import { changesSince, type AddressGroup, type LocalPod, type Snapshot } from '../model/snapshot.ts';
import type { Chain, Ruleset, Table } from '../nftables/ruleset.ts';
import { baseChains, type Surroundings } from './base-chains.ts';
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
import { devicesOf, linkSets, type AddressClasses } from './links.ts';
import { budgetOf, needOf, sizeOf, type ClassSize } from './node-budget.ts';
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

const notIsolated: PodSpecs = { ingress: undefined, egress: undefined };

interface KnownClass {
  readonly size: ClassSize;
  readonly apart: boolean;
  readonly built: BuiltClass;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<PolicyId>;
  readonly classification: Classification;
  /** The classes that this run had to build, with what they were before. */
  readonly rebuilt: readonly { readonly before: BuiltClass | undefined; readonly after: BuiltClass }[];
  /** By how many members it is more than a node may hold; then no class is built. */
  readonly excess: number;
}

/**
 * Snapshot -> Ruleset. The answer depends on the snapshot alone; what is remembered between runs only saves work: classes whose
 * groups have not changed, and sets whose content has not changed, are the very objects of the last run.
 */
export class Compiler {
  readonly #classifier = new Classifier();
  /** By the text of their specs, and the groups with which they were built. */
  #classes: ReadonlyMap<string, KnownClass> = new Map();
  readonly #groups = new Map<GroupId, AddressGroup | undefined>();
  #groupHistory: Snapshot['groupHistory'];
  #last: Pick<Compiled, 'ruleset' | 'countedClasses'> & { readonly of?: Classification } = {
    ruleset: {},
    countedClasses: [],
  };
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
    const classification = this.#classifier.classify(snapshot, refused);
    return { snapshot, refused, classification, ...this.#build(classification, snapshot) };
  }

  #finish({ snapshot, classification, rebuilt }: Draft, oversized: ReadonlyMap<PolicyId, number>): Compiled {
    const last = this.#last;
    const onlySets = last.of === classification && rebuilt.every(({ before, after }) => hasSameChains(before, after));
    this.#last = onlySets
      ? {
          ...last,
          ruleset: replaceSets(
            last.ruleset,
            rebuilt.flatMap(({ after }) => setsOf(after)),
          ),
        }
      : {
          of: classification,
          ruleset: keepUnchanged(this.#assemble(snapshot, classification), last.ruleset),
          countedClasses: this.#limits.counts
            ? countedClasses(this.#judged(snapshot, classification), snapshot.policies)
            : [],
        };
    this.#groupSets.forget(() => this.#classes.values().flatMap(({ built }) => groupSetsOf(built)));
    const { specs, classes, localAddresses } = classification;
    const { ruleset, countedClasses: counted } = this.#last;
    return {
      ruleset,
      revision: snapshot.revision,
      counts: { classes: classes.size, builtClasses: rebuilt.length, isolatedPods: specs.size },
      localAddresses,
      oversized,
      countedClasses: counted,
    };
  }

  /** All that packets meet, put together from the classes. */
  #assemble(snapshot: Snapshot, classification: Classification): Ruleset {
    const { gatedRanges } = snapshot;
    const addresses = this.#classesOfAddresses(snapshot, classification);
    const devices = this.#guard ? devicesOf(snapshot, addresses) : [];
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

  /** The chains and sets of every class: anew where one of its groups has changed. */
  #build({ classes, readers }: Classification, { groups, groupHistory }: Snapshot): Pick<Draft, 'rebuilt' | 'excess'> {
    const changed = [...(changesSince(this.#groupHistory, groupHistory) ?? readers.keys())].filter(
      (id) => groups.get(id) !== this.#groups.get(id),
    );
    const touched = new Set(changed.flatMap((id) => readers.get(id) ?? []));
    const known = (spec: ClassSpec): KnownClass | undefined =>
      touched.has(spec) ? undefined : this.#classes.get(spec.text);
    const sizes = [...classes.values()].map((spec) => known(spec)?.size ?? sizeOf(spec, groups));
    const { share, excess } = budgetOf(sizes, groups, this.#limits);
    if (excess > 0) return { rebuilt: [], excess };
    const rebuilt: Draft['rebuilt'][number][] = [];
    const next = sizes.map((size): [string, KnownClass] => {
      const { spec, product } = size;
      const apart = product > share || this.#limits.apart === true;
      const same = known(spec);
      if (same?.apart === apart) return [spec.text, same];
      const before = this.#classes.get(spec.text)?.built;
      const limits = product > share ? keepingApart(this.#limits) : this.#limits;
      const after = buildClass(spec, groups, this.#groupSets, limits, before);
      rebuilt.push({ before, after });
      for (const id of groupsOfClass(spec)) this.#groups.set(id, groups.get(id));
      return [spec.text, { size, apart, built: after }];
    });
    this.#classes = new Map(next);
    this.#groupHistory = groupHistory;
    if (this.#groups.size > readers.size) {
      for (const id of this.#groups.keys()) if (!readers.has(id)) this.#groups.delete(id);
    }
    return { rebuilt, excess };
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

  *#judged({ localPods }: Snapshot, { specs }: Classification): Generator<readonly [LocalPod, AddressClasses]> {
    for (const pod of localPods.values()) yield [pod, this.#classesOf(specs.get(pod.key))];
  }

  #classesOf(specs: PodSpecs = notIsolated): AddressClasses {
    const built = (spec: ClassSpec | undefined) =>
      spec && (this.#classes.get(spec.text)?.built ?? this.#noAllows[spec.direction]);
    return { ingress: built(specs.ingress), egress: built(specs.egress) };
  }

  /** The classes of every local address, denied ones among them. */
  #classesOfAddresses({ localPods, denied }: Snapshot, { specs }: Classification): Map<string, AddressClasses> {
    const addresses = new Map<string, AddressClasses>();
    for (const [key, pod] of localPods) {
      const judges = this.#classesOf(specs.get(key));
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
