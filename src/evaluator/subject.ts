import { textOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { Direction } from './decision.ts';
import type { Pod } from './party.ts';
import type { Policy } from './policy.ts';
import { selects } from './selector.ts';

/** S1.1: the own namespace only. A part of the selector that is not understood counts as true (S9.7). */
export function appliesTo(policy: Policy, pod: Pod): boolean {
  return policy.namespace === pod.namespace && selects(policy.podSelector, pod.labels);
}

/** Policies that select any of the pods, which is one but where an address is contested (S1.10). */
export function policiesOf(policies: readonly Policy[], owners: readonly Pod[]): Policy[] {
  return policies.filter((policy) => owners.some((pod) => appliesTo(policy, pod)));
}

/** Whose policies hold for the pod: its own, and those of who claims an address of it with equal right (S1.10); none's for a pod without a network of its own. */
export function ownersOf(cluster: Cluster, pod: Pod): readonly Pod[] {
  if (pod.hostNetwork || pod.terminal) return [];
  const claimants = pod.addresses.map((address) => cluster.claimants.get(textOf(address)) ?? []);
  return [...new Set([pod, ...claimants.filter((each) => each.includes(pod)).flat()])];
}

/** The policies that isolate the pod in this direction. */
export function isolatingPolicies(cluster: Cluster, pod: Pod, direction: Direction): Policy[] {
  return policiesOf(cluster.policies, ownersOf(cluster, pod)).filter((policy) => policy.isolates.has(direction));
}
