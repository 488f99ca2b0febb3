import type { NamedPort, Sandbox } from '../../src/model/cluster.ts';
import type { Policy, PolicyRule, Selection } from '../../src/model/policy.ts';
import type { AddressGroup, LocalPod, Snapshot } from '../../src/model/snapshot.ts';

const web: NamedPort = { name: 'web', protocol: 'TCP', port: 8080 };

export const shopApi: Required<Omit<LocalPod, 'isHeldBack'>> = {
  key: 'shop/api/u1',
  mirrorOf: 'm1',
  addresses: ['10.244.1.2', 'fd00:10:244:1::2'],
  links: new Map([
    ['10.244.1.2', { device: 'cni0', port: 'veth1' }],
    ['fd00:10:244:1::2', { device: 'cni0', port: 'veth1' }],
  ]),
  ports: [web],
  policies: ['shop/api'],
};

export const shopDesk: LocalPod = {
  key: 'shop/desk/u2',
  addresses: ['10.244.1.3'],
  links: new Map(),
  ports: [],
  policies: [],
};

const clients: Required<Selection> = {
  namespaces: { selector: [{ key: 'team', operator: 'In', values: ['sales', ''] }] },
  pods: [{ key: 'app', operator: 'DoesNotExist', values: [] }],
  declares: { name: 'web', protocol: 'TCP' },
};

const rule: PolicyRule = {
  action: 'Accept',
  peers: [
    { kind: 'any' },
    { kind: 'pods', group: 'clients' },
    {
      kind: 'cidr',
      ranges: [
        { family: 'ipv4', first: 0n, last: 0xffff_ffffn },
        { family: 'ipv6', first: 0n, last: (1n << 128n) - 1n },
      ],
    },
  ],
  ports: [
    { kind: 'any' },
    { kind: 'range', protocol: 'UDP', first: 53, last: 5353 },
    { kind: 'named', name: 'web', protocol: 'TCP', declarers: 'clients' },
  ],
};

const policy: Required<Policy> = {
  id: 'shop/api',
  tier: 'NetworkPolicy',
  priority: 0,
  appliesTo: { namespaces: { name: 'shop' }, pods: [] },
  isolates: new Set(['ingress', 'egress']),
  rules: { ingress: [rule], egress: [] },
  groups: new Map<string, Selection>([
    ['clients', clients],
    ['all', { namespaces: 'all', pods: [] }],
  ]),
};

/** `shop/desk` is of this node, `sales/till` of another. */
export const clientGroup: AddressGroup = {
  id: 'clients',
  members: new Map([
    ['sales/till/u3', { addresses: ['10.244.2.7', 'fd00:10:244:2::7'], ports: [web] }],
    ['shop/desk/u2', { addresses: ['10.244.1.3'], ports: [] }],
  ]),
};

/**
 * With everything in it that one can hold. What is `Required` here makes a new optional field be written down, so that it shows in
 * the text of the state.
 */
export const fullSnapshot: Required<Snapshot> = {
  revision: 7,
  inSync: true,
  localPods: new Map([shopApi, shopDesk].map((pod: LocalPod) => [pod.key, pod])),
  policies: new Map([[policy.id, policy]]),
  leftOut: new Map([['shop/huge', { groups: 5, budget: 3 }]]),
  groups: new Map([[clientGroup.id, clientGroup]]),
  denied: new Map([['10.244.1.9', new Set(['ingress'] as const)]]),
  deniedLinks: new Map([['10.244.1.9', { device: 'cni0', port: 'veth9' }]]),
  gatedRanges: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeAddresses: {
    own: new Set(['10.0.0.2']),
    others: new Set(['10.0.0.3', '10.244.2.1']),
    podCidrs: ['10.244.0.0/16'],
  },
};

/** A live one of the pod with that key (`namespace/name/uid`), on a port of cni0 that bears its id. */
export function sandbox(id: string, podKey: string, addresses: readonly string[], fields?: Partial<Sandbox>): Sandbox {
  const [namespace, name, uid] = podKey.split('/') as [string, string, string];
  const link = { device: 'cni0', port: `veth-${id}` };
  return { id, namespace, name, uid, addresses, link, live: true, order: 1, ...fields };
}
