import { namespaceOf, payerOfAudits } from '../model/budget.ts';
import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { clusterNamespace, type Budgets } from './budgets.ts';
import { kindsWithoutNames, mostMeaningsOf, namesOf } from './ingress-names.ts';
import type { AllKinds, PodKinds } from './pod-kinds.ts';
import { auditSpecsOf, classSpecsOf, isOfNetworkPolicies, mapNext, type ClassSpec } from './class-spec.ts';
import { readClass, type ClassRules } from './resolve.ts';

/** The classes of a pod by direction; `undefined` if no policy isolates it. */
export type PodSpecs = ReturnType<typeof classSpecsOf>;

const none: ReadonlySet<string> = new Set();
const ofCluster: ReadonlySet<string> = new Set([clusterNamespace]);

/** The class of each local pod in each direction. */
export interface Classification {
  /** Isolated pods only. */
  readonly specs: ReadonlyMap<PodKey, PodSpecs>;
  /** What packets of pods meet after they have passed; only pods that a policy in audit selects. */
  readonly audits: ReadonlyMap<PodKey, PodSpecs>;
  /** By the text of the spec. */
  readonly classes: ReadonlyMap<string, ClassRules>;
  /** The number of classes that are no audits. */
  readonly judging: number;
  /** By group, the classes whose content depends on its members. */
  readonly readers: ReadonlyMap<GroupId, readonly ClassRules[]>;
  readonly kinds: ReadonlyMap<string, ClassifiedKind>;
  /** The policies with ingress port names of which the node does not know what they mean on one of their pods. */
  readonly nameless: ReadonlySet<PolicyId>;
  /** By the text of the spec, who pays for the class: the namespaces of its pods (S9.13), or the cluster if ClusterNetworkPolicies alone make it (S10.23). */
  readonly payers: ReadonlyMap<string, ReadonlySet<string>>;
  /** By namespace, the texts of the specs that it pays for. */
  readonly paidBy: ReadonlyMap<string, readonly string[]>;
}

interface ClassifiedKind {
  readonly policies: readonly Policy[];
  /** The refused ones of `policies`, joined by commas. */
  readonly refused: string;
  /** Whether the node knows what ingress port names of ClusterNetworkPolicies mean on its pods. */
  readonly knowsNames: boolean;
  readonly specs: PodSpecs;
}

/** Finds the classes of a pod. */
type FindSpecs = typeof classSpecsOf | typeof auditSpecsOf;

/**
 * @param refused policies that isolate and allow nothing (S9.10)
 * @param before an earlier result; kinds with the same policies keep their specs, and classes with the same spec their ClassRules
 */
export function classify(
  pods: AllKinds,
  policies: Snapshot['policies'],
  refused: ReadonlySet<PolicyId>,
  budgets: Budgets,
  before: Classification | undefined,
): Classification {
  const specs = new Map<PodKey, PodSpecs>();
  const audits = new Map<PodKey, PodSpecs>();
  const kinds = new Map<string, ClassifiedKind>();
  const classes = new Map<string, ClassRules>();
  const readers = new Map<GroupId, ClassRules[]>();
  const payers = new Map<string, Set<string>>();
  const nameless = new Set<PolicyId>();
  /** Adds the class after the classes that it leads to. */
  const add = (spec: ClassSpec, namespaces: ReadonlySet<string>): void => {
    const paying = payers.get(spec.text) ?? new Set();
    for (const namespace of isOfNetworkPolicies(spec.role) ? namespaces : ofCluster) paying.add(namespace);
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
  const classifyAll = (
    prefix: string,
    group: PodKinds,
    find: FindSpecs,
    found: Map<PodKey, PodSpecs>,
    payerOf: (namespace: string) => string,
  ): void => {
    const unknown =
      find === classSpecsOf ? kindsWithoutNames(group, policies, mostMeaningsOf(policies, budgets)) : none;
    for (const [text, alike] of group) {
      const key = `${prefix}${text}`;
      const kind = classifyKind(alike[0], policies, refused, !unknown.has(text), before?.kinds.get(key), find);
      kinds.set(key, kind);
      for (const policy of unknown.has(text) ? kind.policies : []) {
        if (namesOf(policy, 'ingress').length > 0) nameless.add(policy.id);
      }
      for (const { key: pod } of alike) found.set(pod, kind.specs);
      const namespaces = new Set(alike.map(({ key: pod }) => payerOf(namespaceOf(pod))));
      for (const spec of [kind.specs.ingress, kind.specs.egress]) if (spec) add(spec, namespaces);
    }
  };
  classifyAll('', pods.enforced, classSpecsOf, specs, (namespace) => namespace);
  classifyAll('audit ', pods.audited, auditSpecsOf, audits, payerOfAudits);
  const paidBy = new Map<string, string[]>();
  for (const [text, namespaces] of payers) {
    for (const namespace of namespaces) {
      const texts = paidBy.get(namespace);
      if (texts) texts.push(text);
      else paidBy.set(namespace, [text]);
    }
  }
  const judging = classes.values().reduce((count, { spec }) => count + Number(spec.role !== 'audit'), 0);
  return { specs, audits, classes, judging, readers, kinds, nameless, payers, paidBy };
}

function classifyKind(
  pod: LocalPod,
  all: Snapshot['policies'],
  refused: ReadonlySet<PolicyId>,
  knowsNames: boolean,
  before: ClassifiedKind | undefined,
  find: FindSpecs,
): ClassifiedKind {
  const policies = pod.policies.map((id) => all.get(id)!);
  const without = refused.size === 0 ? '' : pod.policies.filter((id) => refused.has(id)).join();
  const isSame =
    before?.refused === without &&
    before.knowsNames === knowsNames &&
    before.policies.every((policy, index) => policy === policies[index]);
  return isSame ? before : { policies, refused: without, knowsNames, specs: find(pod, policies, refused, knowsNames) };
}
