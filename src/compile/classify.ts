import { sorted } from '../lib/sort.ts';
import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { classSpecsOf, type ClassSpec } from './class-spec.ts';
import { groupsOfClass } from './resolve.ts';

/** The classes of a pod; `undefined` in a direction in which nothing isolates it. */
export type PodSpecs = ReturnType<typeof classSpecsOf>;

/**
 * Which class each local pod has in each direction. The very object as long as the snapshot's `localRevision` and the refused policies are the same, and
 * no longer: then nothing but members of groups has changed.
 */
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
  readonly policies: readonly Policy[];
  /** Those of them that are refused. */
  readonly refused: string;
  readonly specs: PodSpecs;
}

/**
 * Pods of equal text have equal classes: the same policies, and the same ports where a policy names ports of ingress, which each pod
 * resolves for itself (S4.7).
 */
export function kindsOfPods(policies: Snapshot['policies']): (pod: LocalPod) => string {
  const textOf = readOnce((ids) => {
    return { names: ids.some((id) => hasIngressNames(policies.get(id)!)), text: ids.join() };
  });
  return ({ policies: ids, ports }) => {
    const { names, text } = textOf(ids);
    return names ? `${text} ${JSON.stringify(ports)}` : text;
  };
}

/** Pods that the same policies isolate may share the list of them: what is read of thousands is then read once. */
function readOnce<T>(read: (ids: readonly PolicyId[]) => T): (ids: readonly PolicyId[]) => T {
  const known = new Map<readonly PolicyId[], T>();
  return (ids) => {
    let found = known.get(ids);
    if (found === undefined) known.set(ids, (found = read(ids)));
    return found;
  };
}

const ingressNames = new WeakMap<Policy, boolean>();

function hasIngressNames(policy: Policy): boolean {
  let known = ingressNames.get(policy);
  if (known === undefined) {
    known = policy.rules.ingress.some(({ ports }) => ports.some(({ kind }) => kind === 'named'));
    ingressNames.set(policy, known);
  }
  return known;
}

export class Classifier {
  readonly #pods = new WeakMap<LocalPod, KnownPod>();
  /** Of one revision, by the refused policies: a node that holds too much asks twice each time. */
  readonly #known = new Map<string, Classification>();
  /** Another indexer counts for itself. */
  #of: Pick<Snapshot, 'localPods' | 'localRevision'> | undefined;

  /**
   * @param refused policies that isolate, and allow nothing (S9.10)
   * @param built the specs of the classes that there are: equal ones are these, for more is remembered of them
   */
  classify(
    snapshot: Snapshot,
    refused: ReadonlySet<PolicyId>,
    built: (text: string) => ClassSpec | undefined,
  ): Classification {
    const { localPods, localRevision } = snapshot;
    if (this.#of?.localPods !== localPods || this.#of.localRevision !== localRevision) this.#known.clear();
    this.#of = { localPods, localRevision };
    const key = JSON.stringify(sorted(refused));
    let classification = this.#known.get(key);
    if (!classification) this.#known.set(key, (classification = this.#classify(snapshot, refused, built)));
    return classification;
  }

  #classify(
    { localPods, policies }: Snapshot,
    refused: ReadonlySet<PolicyId>,
    built: (text: string) => ClassSpec | undefined,
  ): Classification {
    const specs = new Map<PodKey, PodSpecs>();
    const ofKinds = new Map<string, PodSpecs>();
    const kindOf = kindsOfPods(policies);
    const applying = readOnce((ids) => ids.map((id) => policies.get(id)!));
    const refusedOf = readOnce((ids) => (refused.size === 0 ? '' : ids.filter((id) => refused.has(id)).join()));
    for (const [key, pod] of localPods) {
      if (pod.policies.length === 0) continue;
      const applied = applying(pod.policies);
      const without = refusedOf(pod.policies);
      const known = this.#pods.get(pod);
      if (known?.refused === without && known.policies.every((policy, index) => policy === applied[index])) {
        specs.set(key, known.specs);
        continue;
      }
      const kind = kindOf(pod);
      let ofPod = ofKinds.get(kind);
      if (!ofPod) ofKinds.set(kind, (ofPod = classSpecsOf(pod, applied, refused)));
      this.#pods.set(pod, { policies: applied, refused: without, specs: ofPod });
      specs.set(key, ofPod);
    }
    const classes = new Map<string, ClassSpec>();
    for (const spec of specs.values().flatMap(({ ingress, egress }) => [ingress, egress])) {
      if (spec && !classes.has(spec.text)) classes.set(spec.text, built(spec.text) ?? spec);
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
