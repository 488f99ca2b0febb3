import { compareText } from '../lib/sort.ts';
import { families, familyOf, type Family } from '../model/address.ts';
import { directions, type Direction, type Policy, type PolicyId } from '../model/policy.ts';
import type { AddressGroup, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import type { Chain, ElementVerdict, NftSet, Ruleset, VerdictMap } from '../nftables/ruleset.ts';
import { baseChains, denyChain } from './base-chains.ts';
import { buildClass, defaultLimits, type BuiltClass, type ShapeLimits, type TooLarge } from './class-shape.ts';
import { classSpecsOf, type ClassSpec } from './class-spec.ts';
import { chainNames, isolatedSetName, isolationMapName, orientations, selfSetName } from './names.ts';
import { groupsOfClass } from './resolve.ts';
import { addressSet, addressType, GroupSets, pairSet } from './set-builder.ts';

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
}

interface PodClasses {
  readonly policies: readonly (Policy | undefined)[];
  readonly specs: Readonly<Record<Direction, ClassSpec | undefined>>;
}

interface KnownClass {
  readonly groups: readonly (AddressGroup | undefined)[];
  readonly built: BuiltClass | TooLarge;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<PolicyId>;
  readonly specs: Map<PodKey, PodClasses['specs']>;
  readonly classes: Map<string, BuiltClass | TooLarge>;
  readonly sets: Map<string, NftSet>;
  readonly maps: Map<string, VerdictMap>;
  readonly chains: Map<string, Chain>;
  builtClasses: number;
  isolatedPods: number;
}

/**
 * Snapshot -> Ruleset. The answer depends on the snapshot alone; what is remembered between runs only saves work: classes whose
 * groups have not changed, and sets whose content has not changed, are the very objects of the last run.
 */
export class Compiler {
  #podClasses = new WeakMap<LocalPod, PodClasses>();
  #classes = new Map<string, KnownClass>();
  #sets = new Map<string, NftSet>();
  readonly #groupSets = new GroupSets();
  readonly #baseChains = baseChains();
  readonly #denyChains = { ingress: denyChain('ingress'), egress: denyChain('egress') };
  readonly #limits: ShapeLimits;

  constructor(limits: ShapeLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** `refused`: policies that the kernel did not take; they isolate, and allow nothing (S9.10). */
  compile(snapshot: Snapshot, refused: ReadonlySet<PolicyId> = new Set()): Compiled {
    const oversized = new Map<PolicyId, number>();
    for (;;) {
      const draft = this.#draft(snapshot, new Set([...refused, ...oversized.keys()]));
      // All at once, so that it does not matter which class is looked at first.
      const found = this.#findOversized(draft);
      for (const [id, written] of found) oversized.set(id, written);
      if (found.size === 0) return this.#finish(draft, oversized);
    }
  }

  #draft(snapshot: Snapshot, refused: ReadonlySet<PolicyId>): Draft {
    const draft: Draft = {
      snapshot,
      refused,
      specs: new Map(),
      classes: new Map(),
      sets: new Map(),
      maps: new Map(),
      chains: new Map(this.#baseChains.map((chain) => [chain.name, chain])),
      builtClasses: 0,
      isolatedPods: 0,
    };
    this.#classify(draft);
    this.#build(draft);
    return draft;
  }

  #finish(draft: Draft, oversized: ReadonlyMap<PolicyId, number>): Compiled {
    this.#point(draft);
    this.#keepUnchanged(draft);
    const { snapshot, sets, maps, chains, builtClasses, isolatedPods } = draft;
    return {
      ruleset: { sets, maps, chains },
      revision: snapshot.revision,
      counts: { classes: draft.classes.size, builtClasses, isolatedPods },
      localAddresses: new Set(snapshot.localPods.values().flatMap((pod) => pod.addresses)),
      oversized,
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
    const next = new Map<string, KnownClass>();
    for (const specs of draft.specs.values()) {
      for (const spec of [specs.ingress, specs.egress]) {
        if (!spec || next.has(spec.text)) continue;
        const groups = groupsOfClass(spec).map((id) => draft.snapshot.groups.get(id));
        const known = this.#classes.get(spec.text);
        const fresh = known?.groups.every((group, index) => group === groups[index]);
        const entry = fresh
          ? known!
          : { groups, built: buildClass(spec, draft.snapshot.groups, this.#groupSets, this.#limits) };
        if (!fresh) draft.builtClasses++;
        next.set(spec.text, entry);
        draft.classes.set(spec.text, entry.built);
      }
    }
    this.#classes = next;
  }

  /** Of each class that is too large, the policies that need most, until the rest fits. */
  #findOversized({ snapshot, specs, classes, refused }: Draft): Map<PolicyId, number> {
    const found = new Map<PolicyId, number>();
    const seen = new Set<string>();
    for (const [key, podSpecs] of specs) {
      for (const spec of [podSpecs.ingress, podSpecs.egress]) {
        const built = spec && classes.get(spec.text);
        if (!built || !('written' in built) || seen.has(spec.text)) continue;
        seen.add(spec.text);
        const pod = snapshot.localPods.get(key)!;
        const shares = pod.policies.map((id) => {
          const alone = classSpecsOf(pod, [snapshot.policies.get(id)!], refused)[spec.direction];
          return { id, written: alone ? this.#countWritten(alone, snapshot) : 0 };
        });
        shares.sort((a, b) => b.written - a.written || compareText(a.id, b.id));
        let rest = shares.reduce((sum, { written }) => sum + written, 0);
        for (const { id, written } of shares) {
          found.set(id, written);
          rest -= written;
          if (rest <= built.allowed) break;
        }
      }
    }
    return found;
  }

  /** Without pairs, for which policies compete. */
  #countWritten(spec: ClassSpec, snapshot: Snapshot): number {
    const counting = { ...this.#limits, sharedRules: 0, written: -1 };
    const built = buildClass(spec, snapshot.groups, this.#groupSets, counting);
    return 'written' in built ? built.written : 0;
  }

  /** Points the addresses of isolated pods at their classes. What nothing points at is not written: start-up would sweep it. */
  #point(draft: Draft): void {
    const isolated: Record<Family, Set<string>> = { ipv4: new Set(), ipv6: new Set() };
    const jumps = new Map<string, Map<string, ElementVerdict>>();
    for (const direction of directions) {
      for (const family of families) {
        for (const orientation of orientations) {
          const name = isolationMapName(direction, family, orientation);
          const elements = new Map<string, ElementVerdict>();
          jumps.set(name, elements);
          draft.maps.set(name, { name, key: [addressType[family]], interval: false, elements });
        }
      }
    }
    const point = (address: string, direction: Direction, built: BuiltClass): void => {
      const family = familyOf(address);
      isolated[family].add(address);
      if (!built.chains) return;
      draft.chains.set(chainNames.deny[direction], this.#denyChains[direction]);
      for (const set of built.sets) draft.sets.set(set.name, set);
      for (const orientation of orientations) {
        const chain = built.chains[orientation];
        draft.chains.set(chain.name, chain);
        jumps.get(isolationMapName(direction, family, orientation))!.set(address, { kind: 'jump', chain: chain.name });
      }
    };
    for (const [key, specs] of draft.specs) {
      draft.isolatedPods++;
      for (const address of draft.snapshot.localPods.get(key)!.addresses) {
        for (const direction of directions) {
          const spec = specs[direction];
          if (spec) point(address, direction, draft.classes.get(spec.text) as BuiltClass);
        }
      }
    }
    for (const [address, isolatedIn] of draft.snapshot.contested) {
      for (const direction of isolatedIn) point(address, direction, this.#noAllows(direction));
    }
    const denies = directions.some((direction) => draft.chains.has(chainNames.deny[direction]));
    for (const family of families) {
      const set = addressSet(isolatedSetName[family], family, isolated[family]);
      draft.sets.set(set.name, set);
      const self = pairSet(selfSetName[family], family, isolated[family]);
      if (denies) draft.sets.set(self.name, self);
    }
  }

  #noAllows(direction: Direction): BuiltClass {
    const spec: ClassSpec = { direction, text: direction, rules: [] };
    return buildClass(spec, new Map(), this.#groupSets, this.#limits) as BuiltClass;
  }

  /** Sets with equal content stay the same object, so that the plan need not compare them again. */
  #keepUnchanged(draft: Draft): void {
    for (const [name, set] of draft.sets) {
      const known = this.#sets.get(name);
      if (known && known !== set && sameElements(known, set)) draft.sets.set(name, known);
    }
    this.#sets = draft.sets;
    this.#groupSets.keepOnly(draft.sets);
  }
}

function sameElements(a: NftSet, b: NftSet): boolean {
  return a.interval === b.interval && a.elements.size === b.elements.size && a.elements.isSubsetOf(b.elements);
}
