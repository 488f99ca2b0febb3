import { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** Pods of one namespace follow each other, and so do those of one app. */
export interface NamespaceLayout {
  readonly index: number;
  readonly name: string;
  readonly firstPod: number;
  readonly pods: number;
  readonly policies: number;
  /** Which of its pods, counted from its first, are of the node that is looked at. */
  readonly localPods: readonly number[];
}

/** Where everything is: all that has to be known before the first object is made. */
export interface Layout {
  readonly shape: Shape;
  readonly nodes: number;
  readonly namespaces: readonly NamespaceLayout[];
  /** By pod. Node 0 is the one that is looked at. */
  readonly nodeOf: Uint16Array;
  /** By pod: which of the node's addresses it has. */
  readonly slotOf: Uint8Array;
}

/** Addresses of one node's range that can be a pod's; .1 is the gateway's. */
const slots = 250;

export function layOut(shape: Shape): Layout {
  const { pods, localPods, seed } = shape;
  const random = new Random(seed);
  const nodes = Math.max(2, Math.ceil(pods / localPods));
  const nodeOf = new Uint16Array(pods);
  const slotOf = new Uint8Array(pods);
  const used = new Uint8Array(nodes);
  for (let pod = 0, wanted = localPods; pod < pods; pod++) {
    const isLocal = random.below(pods - pod) < wanted;
    if (isLocal) wanted--;
    else nodeOf[pod] = freeNode(random, used);
    slotOf[pod] = used[nodeOf[pod]!]!++;
  }
  return { shape, nodes, namespaces: layOutNamespaces(shape, nodeOf), nodeOf, slotOf };
}

function freeNode(random: Random, used: Uint8Array): number {
  for (;;) {
    const node = 1 + random.below(used.length - 1);
    if (used[node]! < slots) return node;
  }
}

function layOutNamespaces(shape: Shape, nodeOf: Uint16Array): NamespaceLayout[] {
  const weights = Array.from({ length: shape.namespaces }, (_, i) => (shape.placement === 'zipf' ? 1 / (i + 1) : 1));
  const podCounts = apportion(shape.pods, weights);
  let firstPod = 0;
  const placed = podCounts.map((pods, index) => {
    const localPods = Array.from({ length: pods }, (_, i) => i).filter((i) => nodeOf[firstPod + i] === 0);
    firstPod += pods;
    return { index, firstPod: firstPod - pods, pods, localPods };
  });
  const mayHavePolicies = weights.map((weight, i) =>
    shape.subjects === 'local' && placed[i]!.localPods.length === 0 ? 0 : weight,
  );
  const policyCounts = apportion(shape.policies, mayHavePolicies);
  return placed.map((each, i) => ({ ...each, name: namespaceName(i), policies: policyCounts[i]! }));
}

export function namespaceName(index: number): string {
  return `tenant-${index}`;
}

/** Whole numbers that add up to `total`, each within one of its share. */
function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  let [weight, given] = [0, 0];
  return weights.map((each) => {
    weight += each;
    const due = Math.round((total * weight) / sum) - given;
    given += due;
    return due;
  });
}
