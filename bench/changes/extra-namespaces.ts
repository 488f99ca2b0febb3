import type { Layout, NamespaceLayout } from '../cluster/layout.ts';
import { namespaceObject } from '../cluster/nodes.ts';
import { podObjects } from '../cluster/pods.ts';
import { policyObjects } from '../cluster/policies.ts';
import { Random } from '../cluster/random.ts';
import type { Shape } from '../cluster/shapes.ts';
import type { PodObject } from './pods.ts';

/** A namespace that is not part of the cluster's shape. */
export interface ExtraNamespace {
  readonly name: string;
  readonly pods: number;
  readonly policies: number;
  /**
   * Its pods are on the measured node, with the addresses after its own pods and this number of others. Otherwise on nodes that the cluster does not
   * have, from this number on.
   */
  readonly place: { readonly after: number } | { readonly firstNode: number };
  /** Different for each namespace, and for each generation of its pods: names and uids follow from it. */
  readonly seed: number;
}

/** Numbers of nodes that no cluster of the bench has. */
const spareNode = 0x4000;
const rollout = { name: 'rollout', pods: 500, policies: 0 } as const;

/** All of them can exist at once. */
export const extras = {
  talkers: { name: 'talkers', pods: 2, policies: 0, place: { after: 0 }, seed: 104 },
  crowd: { name: 'crowd', pods: 100, policies: 0, place: { after: 2 }, seed: 105 },
  rollout: { ...rollout, place: { firstNode: spareNode }, seed: 101 },
  nextRollout: { ...rollout, place: { firstNode: spareNode + 10 }, seed: 102 },
  relabelled: { name: 'relabelled', pods: 1000, policies: 0, place: { firstNode: spareNode + 100 }, seed: 103 },
} as const satisfies Readonly<Record<string, ExtraNamespace>>;

/** Pods of a node, as in the cluster. */
const perNode = 250;

/** The namespace with the labels of the `team`-th namespace of the cluster. */
export function extraNamespace(shape: Shape, name: string, team: number): object {
  return namespaceObject(shape, { index: team, name }, new Random(7));
}

export function extraPods(shape: Shape, extra: ExtraNamespace): PodObject[] {
  const { layout, namespace } = layOut(shape, extra);
  return [...podObjects(layout, namespace, new Random(extra.seed))] as unknown as PodObject[];
}

export function extraPolicies(shape: Shape, extra: ExtraNamespace): object[] {
  const { layout, namespace } = layOut(shape, extra);
  return [...policyObjects(layout, namespace, new Random(extra.seed))];
}

function layOut(
  shape: Shape,
  { name, pods, policies, place }: ExtraNamespace,
): { layout: Layout; namespace: NamespaceLayout } {
  const all = Array.from({ length: pods }, (_, i) => i);
  const [localPods, nodeOf, slotOf] =
    'after' in place
      ? [all, all.map(() => 0), all.map((i) => shape.localPods + place.after + i)]
      : [[], all.map((i) => place.firstNode + Math.floor(i / perNode)), all.map((i) => i % perNode)];
  const namespace = { index: shape.namespaces, name, firstPod: 0, pods, policies, localPods };
  const layout = {
    shape,
    nodes: 1,
    namespaces: [namespace],
    nodeOf: Uint16Array.from(nodeOf),
    slotOf: Uint8Array.from(slotOf),
  };
  return { layout, namespace };
}
