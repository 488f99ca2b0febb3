import { textOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { Direction } from './decision.ts';
import type { Pod } from './party.ts';
import type { Policy } from './policy.ts';

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
  return cluster.policies.selecting(ownersOf(cluster, pod)).filter((policy) => policy.isolates.has(direction));
}
