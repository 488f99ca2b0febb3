import { sorted } from '../lib/sort.ts';
import type { StateOfPod } from '../model/node-state.ts';
import type { Direction, PolicyId } from '../model/policy.ts';
import { directions } from '../model/policy.ts';
import { valueOf, type NodeFacts } from './facts.ts';

/** The node's pods as its agent reports them; empty if the agent does not answer. */
export function podsOf({ agent }: Pick<NodeFacts, 'agent'>): readonly StateOfPod[] {
  return valueOf(agent)?.pods ?? [];
}

/** The policies that isolate these pods, sorted. */
export function policiesOf(pods: readonly StateOfPod[], of: readonly Direction[] = directions): PolicyId[] {
  return sorted(new Set(pods.flatMap((pod) => of.flatMap((direction) => pod[direction]))));
}

/** The isolated pods among these, with their policies: they are affected if the node does not enforce policies. */
export function voidedFor(
  pods: readonly StateOfPod[],
  of: readonly Direction[] = directions,
): { readonly pods: readonly string[]; readonly policies: readonly PolicyId[] } {
  const isolated = pods.filter((pod) => of.some((direction) => pod[direction].length > 0));
  return { pods: sorted(isolated.map(({ pod }) => pod)), policies: policiesOf(isolated, of) };
}
