import type { NodeFacts } from '../../src/doctor/facts.ts';
import { readForeignRules } from '../../src/doctor/foreign/rules.ts';
import type { NodeState, StateOfPod } from '../../src/model/node-state.ts';

export function podState(pod: string, address: string, more: Partial<StateOfPod> = {}): StateOfPod {
  return { pod, addresses: [address], links: { [address]: { device: 'veth-a' } }, ingress: [], egress: [], ...more };
}

export const healthyState: NodeState = {
  node: 'n1',
  version: '1.0.0',
  applied: { networkpolicies: '2-00' },
  live: [{ name: 'loop' }],
  ready: [{ name: 'rules' }, { name: 'gate', note: '10.244.1.0/24' }, { name: 'guard', note: 'on' }],
  startGate: true,
  gatedRanges: ['10.244.1.0/24'],
  pods: [
    podState('shop/a', '10.244.1.2', { ingress: ['shop/p'], egress: ['shop/q'] }),
    podState('shop/b', '10.244.1.3', {
      links: { '10.244.1.3': { device: 'cni0', port: 'veth-b' } },
      egress: ['shop/q'],
    }),
    podState('shop/c', '10.244.1.4'),
  ],
  unknownPods: [],
  issues: [],
};

/** Facts of a healthy node. */
export const healthy: NodeFacts = {
  version: '1.0.0',
  kernel: '6.18.0',
  agent: { value: healthyState },
  nft: { version: '1.1.3' },
  foreign: { rules: { chains: new Map(), bases: [], flowTables: [], marking: new Set() }, unreadable: [] },
  own: { value: {} },
  sysctls: { 'net.ipv4.ip_forward': '1', 'net.netfilter.nf_conntrack_tcp_loose': '1' },
  bridges: { value: [] },
  ipvs: { value: undefined },
  proxyMode: { value: 'nftables' },
  conntrack: { value: { count: 100, max: 1000 } },
  gonePods: { value: [] },
  api: { value: { roundTripMs: 4, aheadMs: 200 } },
  nodeLocalDns: [],
  remotePods: ['10.244.2.2'],
  furtherNetworks: [],
  further: [],
};

export function withState(state: Partial<NodeState>): NodeFacts {
  return { ...healthy, agent: { value: { ...healthyState, ...state } } };
}

const flowTable = {
  family: 'inet',
  name: 'ft',
  table: 'fw4',
  handle: 2,
  hook: 'ingress',
  prio: 0,
  dev: ['eth0', 'cni0'],
};

/** Recorded (libnftables-json(5)): the kernel of the tests has no flow tables. */
export const withFlowTable: NodeFacts = {
  ...healthy,
  foreign: {
    rules: readForeignRules([{ table: { family: 'inet', name: 'fw4', handle: 1 } }, { flowtable: flowTable }]),
    unreadable: [],
  },
};
