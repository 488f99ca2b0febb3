import type { ResourceEvent } from '../../src/model/cluster.ts';
import { readIdentity } from '../../src/watch/decode.ts';
import { optionalResources } from '../../src/watch/resources.ts';

const actions = ['Deny', 'Accept', 'Pass'] as const;

/** ClusterNetworkPolicies of both tiers that select every pod, each with a priority of its own: peers by network, by namespace and by pod, one port each. */
export function policiesForAll(count: number): ResourceEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const pods = { podSelector: { matchLabels: { app: `app-${index}` } } };
    const protocols = [{ tcp: { destinationPort: { number: 20_000 + index } } }];
    return upsertClusterPolicy(`guard-${index}`, {
      tier: index % 2 === 0 ? 'Admin' : 'Baseline',
      priority: index,
      subject: { namespaces: {} },
      ingress: [{ action: actions[index % 3], from: [{ pods }], protocols }],
      egress: [{ action: actions[(index + 1) % 3], to: [{ networks: [`198.18.${index}.0/24`] }, { pods }], protocols }],
    });
  });
}

export function upsertClusterPolicy(name: string, spec: object): ResourceEvent {
  const raw = { metadata: { name, uid: name, resourceVersion: '1', generation: 1 }, spec };
  const [{ resource, decode }] = optionalResources as readonly [(typeof optionalResources)[number]];
  const identity = readIdentity(raw)!;
  const { uid, resourceVersion, generation } = identity;
  return { op: 'upsert', resource, key: name, uid, resourceVersion, generation, ...decode(raw, identity) };
}
