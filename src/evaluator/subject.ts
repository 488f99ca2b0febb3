import { textOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { Direction } from './decision.ts';
import type { Pod } from './party.ts';
import type { Policy } from './policy.ts';
import { selects } from './selector.ts';

/** S1.1: a policy selects pods of its own namespace only. An invalid part of the selector counts as true (S9.7). */
export function appliesTo(policy: Policy, pod: Pod): boolean {
  return policy.namespace === pod.namespace && selects(policy.podSelector, pod.labels);
}

/** Policies that select at least one of the pods. `owners` has several pods only if they claim one address (S1.10). */
export function policiesOf(policies: readonly Policy[], owners: readonly Pod[]): Policy[] {
  return policies.filter((policy) => owners.some((pod) => appliesTo(policy, pod)));
}

/**
 * The pods whose policies apply to `pod`: itself, and pods that claim one of its addresses with equal right (S1.10).
 * Empty for hostNetwork pods (S1.3) and finished pods (S1.4).
 */
export function ownersOf(cluster: Cluster, pod: Pod): readonly Pod[] {
  if (pod.hostNetwork || pod.terminal) return [];
  const claimants = pod.addresses.map((address) => cluster.claimants.get(textOf(address)) ?? []);
  return [...new Set([pod, ...claimants.filter((each) => each.includes(pod)).flat()])];
}

/** The policies that isolate the pod in this direction. */
export function isolatingPolicies(cluster: Cluster, pod: Pod, direction: Direction): Policy[] {
  return policiesOf(cluster.policies, ownersOf(cluster, pod)).filter((policy) => policy.isolates.has(direction));
}
