import { sorted } from '../lib/sort.ts';
import type { StateOfPod } from '../model/node-state.ts';
import { directions, nameOfPolicy, type Direction } from '../model/policy.ts';
import { valueOf, type NodeFacts } from './facts.ts';

/** The node's pods as its agent reports them; empty if the agent does not answer. */
export function podsOf({ agent }: Pick<NodeFacts, 'agent'>): readonly StateOfPod[] {
  return valueOf(agent)?.pods ?? [];
}

/** The names of the policies that can deny these pods something, sorted. */
export function policiesOf(pods: readonly StateOfPod[], of: readonly Direction[] = directions): string[] {
  return sorted(new Set(pods.flatMap((pod) => of.flatMap((direction) => pod[direction].map(nameOfPolicy)))));
}

/** The isolated pods among these, with their policies: they are affected if the node does not enforce policies. */
export function voidedFor(
  pods: readonly StateOfPod[],
  of: readonly Direction[] = directions,
): { readonly pods: readonly string[]; readonly policies: readonly string[] } {
  const isolated = pods.filter((pod) => of.some((direction) => pod[direction].length > 0));
  return { pods: sorted(isolated.map(({ pod }) => pod)), policies: policiesOf(isolated, of) };
}
