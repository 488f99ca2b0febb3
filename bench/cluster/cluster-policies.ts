const actions = ['Deny', 'Accept', 'Pass'] as const;

/** ClusterNetworkPolicies of both tiers that select every pod, each with a priority of its own: peers by network, by namespace and by pod, one port each. */
export function policiesForAll(count: number): object[] {
  return Array.from({ length: count }, (_, index) => {
    const pods = { podSelector: { matchLabels: { app: `app-${index}` } } };
    const protocols = [{ tcp: { destinationPort: { number: 20_000 + index } } }];
    return clusterPolicyObject(`guard-${index}`, {
      tier: index % 2 === 0 ? 'Admin' : 'Baseline',
      priority: index,
      subject: { namespaces: {} },
      ingress: [{ action: actions[index % 3], from: [{ pods }], protocols }],
      egress: [{ action: actions[(index + 1) % 3], to: [{ networks: [`198.18.${index}.0/24`] }, { pods }], protocols }],
    });
  });
}

export function clusterPolicyObject(name: string, spec: object): object {
  const metadata = { name, uid: name, resourceVersion: '1', generation: 1 };
  return { kind: 'ClusterNetworkPolicy', metadata, spec };
}
