import { sorted } from '../lib/sort.ts';
import type { StateOfPod } from '../model/node-state.ts';
import type { Direction, PolicyId } from '../model/policy.ts';
import { directions } from '../model/policy.ts';
import { valueOf, type NodeFacts } from './facts.ts';

/** This node's pods, as far as its agent tells. */
export function podsOf({ agent }: Pick<NodeFacts, 'agent'>): readonly StateOfPod[] {
  return valueOf(agent)?.pods ?? [];
}

/** The policies that isolate them, ascending. */
export function policiesOf(pods: readonly StateOfPod[], of: readonly Direction[] = directions): PolicyId[] {
  return sorted(new Set(pods.flatMap((pod) => of.flatMap((direction) => pod[direction]))));
}

/** Those of the pods that a policy isolates, and those policies: what is void where nothing is enforced for them. */
export function voidedFor(
  pods: readonly StateOfPod[],
  of: readonly Direction[] = directions,
): { readonly pods: readonly string[]; readonly policies: readonly PolicyId[] } {
  const isolated = pods.filter((pod) => of.some((direction) => pod[direction].length > 0));
  return { pods: sorted(isolated.map(({ pod }) => pod)), policies: policiesOf(isolated, of) };
}
