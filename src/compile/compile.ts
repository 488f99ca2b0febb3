import { families, familyOf, type Family } from '../model/address.ts';
import { directions, type Direction, type Policy } from '../model/policy.ts';
import type { AddressGroup, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import type { Chain, ElementVerdict, NftSet, Ruleset, VerdictMap } from '../nftables/ruleset.ts';
import { baseChains, denyChain } from './base-chains.ts';
import { buildClass, defaultLimits, type BuiltClass, type ShapeLimits } from './class-shape.ts';
import { classSpecsOf, type ClassSpec } from './class-spec.ts';
import { chainNames, isolatedSetName, isolationMapName, orientations, selfSetName } from './names.ts';
import { groupsOfClass } from './resolve.ts';
import { addressSet, GroupSets, pairSet } from './set-builder.ts';

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly revision: number;
  readonly counts: {
    /** Distinct classes in the rule set, and how many of them this run had to build. */
    readonly classes: number;
    readonly builtClasses: number;
    readonly isolatedPods: number;
  };
}

interface PodClasses {
  readonly policies: readonly (Policy | undefined)[];
  readonly specs: Readonly<Record<Direction, ClassSpec | undefined>>;
}

interface KnownClass {
  readonly groups: readonly (AddressGroup | undefined)[];
  readonly built: BuiltClass;
}

interface Draft {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<string>;
  readonly specs: Map<PodKey, PodClasses['specs']>;
  readonly classes: Map<string, BuiltClass>;
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
  compile(snapshot: Snapshot, refused: ReadonlySet<string> = new Set()): Compiled {
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
    for (const step of this.#steps) step(draft);
    const { sets, maps, chains, builtClasses, isolatedPods } = draft;
    return {
      ruleset: { sets, maps, chains },
      revision: snapshot.revision,
      counts: { classes: draft.classes.size, builtClasses, isolatedPods },
    };
  }

  readonly #steps = [
    (draft: Draft): void => this.#classify(draft),
    (draft: Draft): void => this.#build(draft),
    (draft: Draft): void => this.#point(draft),
    (draft: Draft): void => this.#keepUnchanged(draft),
  ];

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

  /** Points the addresses of isolated pods at their classes. What nothing points at is not written: start-up would sweep it. */
  #point(draft: Draft): void {
    const isolated: Record<Family, Set<string>> = { ipv4: new Set(), ipv6: new Set() };
    const jumps = new Map<string, Map<string, ElementVerdict>>();
    const point = (address: string, direction: Direction, built: BuiltClass): void => {
      const family = familyOf(address);
      isolated[family].add(address);
      if (!built.chains) return;
      draft.chains.set(chainNames.deny[direction], this.#denyChains[direction]);
      for (const set of built.sets) draft.sets.set(set.name, set);
      for (const chain of Object.values(built.chains)) draft.chains.set(chain.name, chain);
      for (const orientation of orientations) {
        const name = isolationMapName(direction, family, orientation);
        jumps.get(name)!.set(address, { kind: 'jump', chain: built.chains[orientation].name });
      }
    };
    for (const direction of directions) {
      for (const family of families) {
        for (const orientation of orientations) jumps.set(isolationMapName(direction, family, orientation), new Map());
      }
    }
    for (const [key, specs] of draft.specs) {
      draft.isolatedPods++;
      for (const address of draft.snapshot.localPods.get(key)!.addresses) {
        for (const direction of directions) {
          const spec = specs[direction];
          if (spec) point(address, direction, draft.classes.get(spec.text)!);
        }
      }
    }
    for (const [address, isolatedIn] of draft.snapshot.contested) {
      for (const direction of isolatedIn) point(address, direction, this.#noAllows(direction));
    }
    for (const [name, elements] of jumps) {
      const key = name.includes('6') ? 'ipv6_addr' : 'ipv4_addr';
      draft.maps.set(name, { name, key: [key], interval: false, elements });
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
    return buildClass({ direction, text: direction, rules: [] }, new Map(), this.#groupSets, this.#limits);
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
