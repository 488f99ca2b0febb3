import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { clusterNamespace } from './budgets.ts';
import { classSpecsOf, mapNext, type ClassSpec } from './class-spec.ts';
import { namespaceOf } from './policy-cost.ts';
import { readClass, type ClassRules } from './resolve.ts';

/** The classes of a pod by direction; `undefined` if no policy isolates it. */
export type PodSpecs = ReturnType<typeof classSpecsOf>;

/**
 * Isolated pods grouped by kind. Pods of one kind have the same policies, and the same named ports if a policy has ingress port names (S4.7). So
 * they have equal classes.
 */
export type PodKinds = ReadonlyMap<string, readonly [LocalPod, ...LocalPod[]]>;

const ofCluster: ReadonlySet<string> = new Set([clusterNamespace]);

/** The class of each local pod in each direction. */
export interface Classification {
  /** Isolated pods only. */
  readonly specs: ReadonlyMap<PodKey, PodSpecs>;
  /** By the text of the spec. */
  readonly classes: ReadonlyMap<string, ClassRules>;
  /** By group, the classes whose content depends on its members. */
  readonly readers: ReadonlyMap<GroupId, readonly ClassRules[]>;
  readonly kinds: ReadonlyMap<string, ClassifiedKind>;
  /** By the text of the spec, who pays for the class: the namespaces of its pods (S9.13), or the cluster if ClusterNetworkPolicies alone make it (S10.23). */
  readonly payers: ReadonlyMap<string, ReadonlySet<string>>;
  /** By namespace, the texts of the specs that it pays for. */
  readonly paidBy: ReadonlyMap<string, readonly string[]>;
}

interface ClassifiedKind {
  readonly policies: readonly Policy[];
  /** The refused ones of `policies`, joined by commas. */
  readonly refused: string;
  readonly specs: PodSpecs;
}

export function groupPods({ localPods, policies }: Snapshot): PodKinds {
  const naming = new Set(policies.values().flatMap((policy) => (hasIngressNames(policy) ? [policy.id] : [])));
  // Pods may share one list of policies. Read a list of thousands only once.
  const ofLists = new Map<readonly PolicyId[], { readonly text: string; readonly names: boolean }>();
  const kinds = new Map<string, [LocalPod, ...LocalPod[]]>();
  for (const pod of localPods.values()) {
    const { policies: ids, ports } = pod;
    if (ids.length === 0) continue;
    let list = ofLists.get(ids);
    if (!list) ofLists.set(ids, (list = { text: ids.join(), names: ids.some((id) => naming.has(id)) }));
    const text = list.names ? `${list.text} ${JSON.stringify(ports)}` : list.text;
    const known = kinds.get(text);
    if (known) known.push(pod);
    else kinds.set(text, [pod]);
  }
  return kinds;
}

/** By policy, the number of pod kinds that it selects: an upper bound for its classes per direction. */
export function countKinds(pods: PodKinds): Map<PolicyId, number> {
  const counts = new Map<PolicyId, number>();
  for (const [{ policies }] of pods.values()) for (const id of policies) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

function hasIngressNames({ rules }: Policy): boolean {
  return rules.ingress.some(({ ports }) => ports.some(({ kind }) => kind === 'named'));
}

/**
 * @param refused policies that isolate and allow nothing (S9.10)
 * @param before an earlier result; kinds with the same policies keep their specs, and classes with the same spec their ClassRules
 */
export function classify(
  pods: PodKinds,
  policies: Snapshot['policies'],
  refused: ReadonlySet<PolicyId>,
  before: Classification | undefined,
): Classification {
  const specs = new Map<PodKey, PodSpecs>();
  const kinds = new Map<string, ClassifiedKind>();
  const classes = new Map<string, ClassRules>();
  const readers = new Map<GroupId, ClassRules[]>();
  const payers = new Map<string, Set<string>>();
  /** What a class leads to comes before it. */
  const add = (spec: ClassSpec, namespaces: ReadonlySet<string>): void => {
    const paying = payers.get(spec.text) ?? new Set();
    for (const namespace of spec.role === 'own' ? namespaces : ofCluster) paying.add(namespace);
    payers.set(spec.text, paying);
    if (classes.has(spec.text)) return;
    mapNext(spec.next, (next) => add(next, namespaces));
    const rules = before?.classes.get(spec.text) ?? readClass(spec);
    classes.set(spec.text, rules);
    for (const id of rules.groups) {
      const known = readers.get(id);
      if (known) known.push(rules);
      else readers.set(id, [rules]);
    }
  };
  for (const [text, alike] of pods) {
    const kind = classifyKind(alike[0], policies, refused, before?.kinds.get(text));
    kinds.set(text, kind);
    for (const { key } of alike) specs.set(key, kind.specs);
    const namespaces = new Set(alike.map(({ key }) => namespaceOf(key)));
    for (const spec of [kind.specs.ingress, kind.specs.egress]) if (spec) add(spec, namespaces);
  }
  const paidBy = new Map<string, string[]>();
  for (const [text, namespaces] of payers) {
    for (const namespace of namespaces) {
      const texts = paidBy.get(namespace);
      if (texts) texts.push(text);
      else paidBy.set(namespace, [text]);
    }
  }
  return { specs, classes, readers, kinds, payers, paidBy };
}

function classifyKind(
  pod: LocalPod,
  all: Snapshot['policies'],
  refused: ReadonlySet<PolicyId>,
  before: ClassifiedKind | undefined,
): ClassifiedKind {
  const policies = pod.policies.map((id) => all.get(id)!);
  const without = refused.size === 0 ? '' : pod.policies.filter((id) => refused.has(id)).join();
  const isSame = before?.refused === without && before.policies.every((policy, index) => policy === policies[index]);
  return isSame ? before : { policies, refused: without, specs: classSpecsOf(pod, policies, refused) };
}
