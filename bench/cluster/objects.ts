import { policiesForAll } from './cluster-policies.ts';
import { layOut } from './layout.ts';
import { namespaceObject, nodeObject } from './nodes.ts';
import { podObjects } from './pods.ts';
import { policyObjects } from './policies.ts';
import { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** Generates API objects one at a time: Nodes, Namespaces, ClusterNetworkPolicies, NetworkPolicies, Pods. */
export function* clusterObjects(shape: Shape): Generator<object> {
  const layout = layOut(shape);
  // Each kind has its own random numbers, so that a change to one kind does not change the others.
  const [nodes, namespaces, policies, pods] = [1, 2, 3, 4].map((kind) => new Random(shape.seed * 1000 + kind));
  for (let node = 0; node < layout.nodes; node++) yield nodeObject(shape, node, nodes!);
  for (const namespace of layout.namespaces) yield namespaceObject(shape, namespace, namespaces!);
  yield* policiesForAll(shape.clusterPolicies ?? 0);
  for (const namespace of layout.namespaces) yield* policyObjects(layout, namespace, policies!);
  for (const namespace of layout.namespaces) yield* podObjects(layout, namespace, pods!);
}
