import { budgetsOfCluster, type Budgets } from './budgets.ts';
import { namespaceOf } from '../model/budget.ts';
import { isEnforced, isOfCluster, type Direction, type Policy, type PolicyId } from '../model/policy.ts';
import { compareText } from '../lib/sort.ts';
import type { LocalPod, Snapshot } from '../model/snapshot.ts';
import type { PodKinds } from './pod-kinds.ts';
import { chooseFairly } from './fair-choice.ts';
import { nameKey } from './flatten-rules.ts';
import { sizeOfRules } from './policy-cost.ts';
import { resolveNamedPort } from './port-set.ts';

/** By policy, the directions in which the node does not know what a port name of the policy means on each pod (S10.17). */
export type LimitedNames = ReadonlyMap<PolicyId, readonly Direction[]>;

/**
 * @param onPods the policies with ingress port names that the node does not know on one of their pods
 * @param names the egress port names that it does not know on each pod, as `nameKey`
 */
export function limitedNamesOf(
  policies: Iterable<Policy>,
  onPods: ReadonlySet<PolicyId>,
  names: ReadonlySet<string>,
): LimitedNames {
  const limited = new Map<PolicyId, readonly Direction[]>();
  if (onPods.size + names.size === 0) return limited;
  for (const policy of policies) {
    if (!isOfCluster(policy.id)) continue;
    const directions: Direction[] = onPods.has(policy.id) ? ['ingress'] : [];
    if (names.size > 0 && namesOf(policy, 'egress').some((name) => names.has(name))) directions.push('egress');
    if (directions.length > 0) limited.set(policy.id, directions);
  }
  return limited;
}

/**
 * An ingress port name of a ClusterNetworkPolicy means on each pod the numbers that the pod declares. Pods that declare others need classes of their own, and the
 * cluster pays for them: a tenant could declare so many that its policies cost too much (S10.23). So a node knows only some of these meanings. On the other pods,
 * the names match as if their numbers were not known (S10.17).
 * @param most how many meanings the node knows
 * @returns the kinds of pods on which the names are not known
 */
export function kindsWithoutNames(pods: PodKinds, policies: Snapshot['policies'], most: number): ReadonlySet<string> {
  const naming = new Map<string, readonly string[]>();
  for (const policy of policies.values()) {
    const names = isOfCluster(policy.id) ? namesOf(policy, 'ingress') : [];
    if (names.length > 0) naming.set(policy.id, names);
  }
  if (naming.size === 0) return new Set();
  const meanings = new Map<string, string>();
  const counts = new Map<string, Map<string, number>>();
  for (const [text, alike] of pods) {
    const meaning = meaningOf(alike[0], naming);
    if (meaning === '') continue;
    meanings.set(text, meaning);
    for (const { key } of alike) {
      const own = counts.get(namespaceOf(key)) ?? new Map<string, number>();
      counts.set(namespaceOf(key), own.set(meaning, (own.get(meaning) ?? 0) + 1));
    }
  }
  const { chosen } = chooseFairly(counts, most, compareText);
  return new Set([...meanings].flatMap(([text, meaning]) => (chosen.has(meaning) ? [] : [text])));
}

/** Each name is known in so many meanings, if the policies are small. */
const mostMeanings = 64;
/** What one more meaning costs for each peer, block and port of the ordered rules: about 5 units for 250 policies, both classes and all readings. */
const costOfItem = 8;

/** How many meanings the cluster can pay for, with at most half of its budget. It depends on the policies alone, so no change of pods changes it. */
export function mostMeaningsOf(policies: Snapshot['policies'], budgets: Budgets): number {
  let items = 0;
  for (const policy of policies.values())
    if (isOfCluster(policy.id) && isEnforced(policy)) items += sizeOfRules(policy);
  const affordable = Math.floor(budgetsOfCluster(budgets).namespace / 2 / (costOfItem * Math.max(1, items)));
  return Math.max(1, Math.min(mostMeanings, affordable));
}

const known = { ingress: new WeakMap<Policy, readonly string[]>(), egress: new WeakMap<Policy, readonly string[]>() };

/** `TCP/web` … */
export function namesOf(policy: Policy, direction: Direction): readonly string[] {
  let names = known[direction].get(policy);
  if (!names) {
    const found = policy.rules[direction].flatMap(({ ports }) =>
      ports.flatMap((port) => (port.kind === 'named' ? [nameKey(port)] : [])),
    );
    known[direction].set(policy, (names = [...new Set(found)]));
  }
  return names;
}

/** The numbers of all names; empty if the pod declares none of them. */
function meaningOf({ policies, ports }: LocalPod, naming: ReadonlyMap<string, readonly string[]>): string {
  const names = new Set(policies.flatMap((id) => naming.get(id) ?? []));
  const numbers = [...names].sort(compareText).flatMap((text) => {
    const [protocol, name] = text.split('/') as ['TCP' | 'UDP' | 'SCTP', string];
    const found = resolveNamedPort({ protocol, name }, ports).map(({ first }) => first);
    return found.length === 0 ? [] : [`${text}=${found.join('+')}`];
  });
  return numbers.join(' ');
}
