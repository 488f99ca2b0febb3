/** What a synthetic cluster is made of. The same shape is the same cluster, object by object. */
export interface Shape {
  readonly name: string;
  readonly seed: number;
  /** The node that is looked at. */
  readonly nodeName: string;
  /** Its pods; the other nodes have about as many each, at random. */
  readonly localPods: number;
  readonly namespaces: number;
  readonly pods: number;
  readonly policies: number;
  /** How pods and policies fall to namespaces: all alike, or the n-th largest has 1/n of the largest. */
  readonly placement: 'uniform' | 'zipf';
  readonly families: 'ipv4' | 'dual';
  readonly style: 'mixed' | 'ovn' | 'antrea';
  /**
   * Policies select pods of their namespace, whatever their node is; or each selects an app with a pod on the node that is looked at, and
   * its peers are apps too.
   */
  readonly subjects: 'any' | 'local';
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
  /** What OVN-Kubernetes publishes figures of: 5 ports, 5 port ranges, 5 namespaces, 5 pods and 5 CIDRs in each policy. */
  ovn: { ...uniform, name: 'ovn', seed: 3, namespaces: 240, pods: 2400, policies: 4800, style: 'ovn' },
  /** Antrea's TestInitXLargeScaleWithSmallNamespaces: 4 pods and 3 policies a namespace. */
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
