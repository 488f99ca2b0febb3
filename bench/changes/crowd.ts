import type { Layout, NamespaceLayout } from '../cluster/layout.ts';
import { namespaceObject } from '../cluster/nodes.ts';
import { podObjects } from '../cluster/pods.ts';
import { policyObjects } from '../cluster/policies.ts';
import { Random } from '../cluster/random.ts';
import type { Shape } from '../cluster/shapes.ts';

const name = 'crowd';
const pods = 100;

/** A namespace like the others of the cluster, but with all its hundred pods on the measured node. */
export function* crowdObjects(shape: Shape): Generator<object> {
  const namespace: NamespaceLayout = {
    index: shape.namespaces,
    name,
    firstPod: 0,
    pods,
    policies: Math.round(shape.policies / shape.namespaces),
    localPods: Array.from({ length: pods }, (_, i) => i),
  };
  const layout: Layout = {
    shape,
    nodes: 1,
    namespaces: [namespace],
    nodeOf: new Uint16Array(pods),
    // Addresses after those of the node's other pods.
    slotOf: Uint8Array.from({ length: pods }, (_, i) => shape.localPods + i),
  };
  const random = new Random(shape.seed);
  yield namespaceObject(shape, namespace, random);
  yield* policyObjects(layout, namespace, random);
  yield* podObjects(layout, namespace, random);
}

/** Selects all these pods, with peers by label from some namespaces, ipBlocks and single ports. */
export const newPolicy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'new', namespace: name, uid: 'uid-new', resourceVersion: '1', generation: 1 },
  spec: {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { team: 'team-1' } },
            podSelector: { matchLabels: { 'app.kubernetes.io/component': 'backend' } },
          },
        ],
        ports: [8081, 9201].map((port) => ({ protocol: 'TCP', port })),
      },
    ],
    egress: [
      {
        to: [{ ipBlock: { cidr: '192.10.0.0/16', except: ['192.10.7.0/24'] } }],
        ports: [443, 5433].map((port) => ({ protocol: 'TCP', port })),
      },
    ],
  },
};
