/** Parameters of a synthetic cluster. The same shape gives identical objects. */
export interface Shape {
  readonly name: string;
  readonly seed: number;
  /** The measured node. */
  readonly nodeName: string;
  /** Pods of the measured node. The other nodes have about as many each, at random. */
  readonly localPods: number;
  readonly namespaces: number;
  readonly pods: number;
  readonly policies: number;
  /** Distribution of pods and policies over namespaces: equal, or the n-th largest has 1/n of the largest. */
  readonly placement: 'uniform' | 'zipf';
  readonly families: 'ipv4' | 'dual';
  readonly style: 'mixed' | 'ovn' | 'antrea';
  /**
   * `any`: policies select pods of their namespace on all nodes. `local`: each policy selects an app with a pod on the measured node, and its
   * peers are apps too.
   */
  readonly subjects: 'any' | 'local';
  /** ClusterNetworkPolicies that select every pod; default: none. */
  readonly clusterPolicies?: number;
}

const uniform: Shape = {
  name: 'uniform',
  seed: 1,
  nodeName: 'node-0',
  localPods: 110,
  namespaces: 1000,
  pods: 100_000,
  policies: 10_000,
  placement: 'uniform',
  families: 'ipv4',
  style: 'mixed',
  subjects: 'any',
};

export const shapes = {
  uniform,
  zipf: { ...uniform, name: 'zipf', seed: 2, placement: 'zipf', families: 'dual' },
  /** The shape of OVN-Kubernetes' published figures: 5 ports, 5 port ranges, 5 namespaces, 5 pods and 5 CIDRs per policy. */
  ovn: { ...uniform, name: 'ovn', seed: 3, namespaces: 240, pods: 2400, policies: 4800, style: 'ovn' },
  /** Antrea's TestInitXLargeScaleWithSmallNamespaces: 4 pods and 3 policies per namespace. */
  antrea: { ...uniform, name: 'antrea', seed: 4, namespaces: 25_000, policies: 75_000, style: 'antrea' },
  small: {
    ...uniform,
    name: 'small',
    seed: 5,
    namespaces: 100,
    pods: 10_000,
    policies: 1000,
    families: 'dual',
  },
} as const satisfies Record<string, Shape>;
