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
  /** Its pods are on the measured node. Otherwise on nodes that the cluster does not have, from this number on. */
  readonly firstNode: 'measured' | number;
  /** Different for each namespace, and for each generation of its pods: names and uids follow from it. */
  readonly seed: number;
}

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
  { name, pods, policies, firstNode }: ExtraNamespace,
): { layout: Layout; namespace: NamespaceLayout } {
  const isLocal = firstNode === 'measured';
  const all = Array.from({ length: pods }, (_, i) => i);
  const namespace = { index: shape.namespaces, name, firstPod: 0, pods, policies, localPods: isLocal ? all : [] };
  const layout = {
    shape,
    nodes: 1,
    namespaces: [namespace],
    nodeOf: Uint16Array.from(all, (i) => (isLocal ? 0 : firstNode + Math.floor(i / perNode))),
    // Addresses after those of the node's other pods.
    slotOf: Uint8Array.from(all, (i) => (isLocal ? shape.localPods + i : i % perNode)),
  };
  return { layout, namespace };
}
