import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { classSpecsOf, type ClassSpec } from './class-spec.ts';
import { groupsOfClass } from './resolve.ts';

/** The classes of a pod; `undefined` in a direction in which nothing isolates it. */
export type PodSpecs = ReturnType<typeof classSpecsOf>;

/** Which class each local pod has in each direction. Depends on no group's members. */
export interface Classification {
  /** Of the pods that policies isolate. */
  readonly specs: ReadonlyMap<PodKey, PodSpecs>;
  /** Each once, by its text. */
  readonly classes: ReadonlyMap<string, ClassSpec>;
  /** By group, whose members decide what they hold. */
  readonly readers: ReadonlyMap<GroupId, readonly ClassSpec[]>;
  /** Of all local pods. */
  readonly localAddresses: ReadonlySet<string>;
}

interface KnownPod {
  readonly policies: readonly (Policy | undefined)[];
  readonly specs: PodSpecs;
}

/** What is remembered only saves work: with the same pods and policies the answer is the very same object. */
export class Classifier {
  #pods = new WeakMap<LocalPod, KnownPod>();
  #last:
    | {
        readonly localPods: Snapshot['localPods'];
        readonly revision: number;
        readonly refused: ReadonlySet<PolicyId>;
        readonly classification: Classification;
      }
    | undefined;

  /** `refused`: policies that isolate, and allow nothing (S9.10). */
  classify(snapshot: Snapshot, refused: ReadonlySet<PolicyId>): Classification {
    const { localPods, localRevision: revision } = snapshot;
    const last = this.#last;
    const isSame =
      last?.localPods === localPods &&
      last.revision === revision &&
      last.refused.symmetricDifference(refused).size === 0;
    if (isSame) return last.classification;
    const classification = this.#classify(snapshot, refused);
    this.#last = { localPods, revision, refused: new Set(refused), classification };
    return classification;
  }

  #classify({ localPods, policies }: Snapshot, refused: ReadonlySet<PolicyId>): Classification {
    const specs = new Map<PodKey, PodSpecs>();
    for (const [key, pod] of localPods) {
      if (pod.policies.length === 0) continue;
      const applied = pod.policies.map((id) => policies.get(id));
      const known = refused.size === 0 ? this.#pods.get(pod) : undefined;
      const isSame = known?.policies.every((policy, index) => policy === applied[index]);
      const ofPod = isSame ? known!.specs : classSpecsOf(pod, applied as Policy[], refused);
      if (refused.size === 0 && !isSame) this.#pods.set(pod, { policies: applied, specs: ofPod });
      specs.set(key, ofPod);
    }
    // Equal specs are the first one, and as long as there is one the one of the last time: more is remembered of it.
    const classes = new Map<string, ClassSpec>();
    for (const spec of specs.values().flatMap(({ ingress, egress }) => [ingress, egress])) {
      if (spec && !classes.has(spec.text)) {
        classes.set(spec.text, this.#last?.classification.classes.get(spec.text) ?? spec);
      }
    }
    const localAddresses = new Set(localPods.values().flatMap(({ addresses }) => addresses));
    return { specs, classes, readers: readersOf(classes.values()), localAddresses };
  }
}

function readersOf(classes: Iterable<ClassSpec>): Map<GroupId, ClassSpec[]> {
  const readers = new Map<GroupId, ClassSpec[]>();
  for (const spec of classes) {
    for (const id of groupsOfClass(spec)) {
      const known = readers.get(id);
      if (known) known.push(spec);
      else readers.set(id, [spec]);
    }
  }
  return readers;
}
