import { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** Pods of one namespace have consecutive numbers, and so have those of one app. */
export interface NamespaceLayout {
  readonly index: number;
  readonly name: string;
  readonly firstPod: number;
  readonly pods: number;
  readonly policies: number;
  /** Its pods on the measured node, counted from its first pod. */
  readonly localPods: readonly number[];
}

/** Placement of all pods, computed before the first object is created. */
export interface Layout {
  readonly shape: Shape;
  readonly nodes: number;
  readonly namespaces: readonly NamespaceLayout[];
  /** Node by pod. Node 0 is the measured one. */
  readonly nodeOf: Uint16Array;
  /** Index among the node's addresses, by pod. */
  readonly slotOf: Uint8Array;
}

/** Pod addresses per node range; .1 is the gateway. */
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

/** Integers with the sum `total`, each less than one away from its share. */
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
