import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { judgeCluster, type ClusterReport } from '../../src/doctor/cluster.ts';
import { readTierFacts, trimPod, type TierFacts } from '../../src/doctor/tiers/facts.ts';
import { clusterPolicy, namespace, node, pod, policy, type PodFields } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const all = { namespaces: {} };
const team = (name: string): object => ({ namespaces: { matchLabels: { team: name } } });
const tcp = (number: number): object[] => [{ tcp: { destinationPort: { number } } }];
const tokenVolume = { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } };

/** A pod as the API server stores it. */
function made(name: string, fields: PodFields = {}, spec: object = {}): ApiObject {
  const object = pod(name, fields);
  return { ...object, spec: { ...(object['spec'] as object), ...spec } };
}

const dns = made('kube-system/coredns', {
  ips: ['10.1.0.53'],
  labels: { 'k8s-app': 'kube-dns' },
  ports: [{ name: 'dns', containerPort: 5353, protocol: 'UDP' }],
});
const base = [
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  ...['x', 'y'].map((name) => namespace(name, { team: name })),
  namespace('kube-system'),
  dns,
  made('x/a', { ips: ['10.1.0.1'], labels: { app: 'a' } }, { volumes: [tokenVolume] }),
  made('x/twin', { ips: ['10.1.0.4'], labels: { app: 'a' } }, { volumes: [tokenVolume] }),
  made('y/b', { node: 'n2', ips: ['10.1.0.2'] }),
  made('y/own', { node: 'n2', ips: ['10.1.0.3'] }, { dnsPolicy: 'None' }),
  made('y/host', { node: 'n2', ips: ['192.0.2.2'], hostNetwork: true, labels: { app: 'host' } }),
];
const api = { value: [{ address: '192.0.2.1', port: 6443 }] };

function judge(objects: readonly ApiObject[], apiEndpoints: TierFacts['apiEndpoints'] = api): ClusterReport {
  const trimmed = objects.map((object) => (object.kind === 'Pod' ? trimPod(object as never) : (object as never)));
  const tiers = { value: readTierFacts(trimmed, apiEndpoints) };
  const known = {
    withoutAgent: { value: [] },
    digests: { value: {} },
    falseAgents: { value: [] },
    probeHosts: { value: [] },
  };
  return judgeCluster({ version: '', nodes: [], ...known, tiers });
}

const texts = (objects: readonly ApiObject[]): string[] =>
  judge([...base, ...objects]).findings.map(
    ({ check, subject, problem, pods }) => `${check}: ${subject}: ${problem} [${pods.join()}]`,
  );

const guard = (spec: object, name = 'guard'): ApiObject => clusterPolicy(name, spec);
const deny = (peers: object[], more: object = {}): object => ({ action: 'Deny', to: peers, ...more });
const accept = (peers: object[], more: object = {}): object => ({ action: 'Accept', to: peers, ...more });

describe('what the doctor finds in ClusterNetworkPolicies', () => {
  it('is nothing where they harm nothing', () => {
    const policies = [
      guard({ egress: [deny([{ networks: ['169.254.169.254/32'] }])] }),
      guard({ priority: 11, ingress: [{ action: 'Deny', from: [team('y')], protocols: tcp(80) }] }, 'other'),
    ];
    assert.deepEqual(texts(policies), []);
  });

  describe('equal priorities (S10.8)', () => {
    const first = guard({ egress: [accept([all], { protocols: tcp(443) })] }, 'a');
    const second = (rule: object, more: object = {}): ApiObject => guard({ egress: [rule], ...more }, 'b');
    const found = (...objects: ApiObject[]): string[] => texts(objects).filter((text) => text.startsWith('equal'));

    it('that decide differently about a connection are found, with an example', () => {
      assert.deepEqual(found(first, second(deny([team('y')], { name: 'no-y' }))), [
        'equal-priority: ClusterNetworkPolicy a and ClusterNetworkPolicy b: egress of kube-system/coredns, for example kube-system/coredns → y/b, TCP/443: rule 1 of ClusterNetworkPolicy a (Admin tier, priority 10) is Accept, and rule 1 "no-y" of ClusterNetworkPolicy b (Admin tier, priority 10) is Deny [kube-system/coredns]',
      ]);
    });

    for (const [title, other] of [
      [
        'in ranges that overlap',
        deny([all], { protocols: [{ tcp: { destinationPort: { range: { start: 1, end: 500 } } } }] }),
      ],
      ['with networks and pods', deny([{ networks: ['10.1.0.0/24'] }])],
      ['with Pass', { action: 'Pass', to: [all] }],
    ] as const)
      it(`… ${title}`, () => assert.equal(found(first, second(other)).length, 1));

    it('… with networks inside of each other, and nodes', () => {
      const nodes = guard({ egress: [accept([{ nodes: {} }])] }, 'a');
      assert.equal(found(nodes, second(deny([{ networks: ['192.0.2.0/24'] }]))).length, 1);
      const block = guard({ egress: [accept([{ networks: ['203.0.113.0/24'] }])] }, 'a');
      assert.equal(found(block, second(deny([{ networks: ['203.0.113.128/25'] }]))).length, 1);
    });

    for (const [title, ...objects] of [
      ['with the same action', first, second(accept([all]))],
      ['with other ports', first, second(deny([all], { protocols: tcp(80) }))],
      ['with other peers', guard({ egress: [accept([team('x')])] }, 'a'), second(deny([team('y')]))],
      [
        'of other pods',
        guard({ egress: [accept([all])], subject: team('x') }, 'a'),
        second(deny([all], {}), { subject: team('y') }),
      ],
      ['of another tier', first, second(deny([all]), { tier: 'Baseline' })],
      ['in another direction', first, guard({ ingress: [{ action: 'Deny', from: [all] }] }, 'b')],
      [
        'which an earlier rule makes moot',
        guard({ priority: 1, egress: [accept([all])] }, 'c'),
        first,
        second(deny([all])),
      ],
    ] as const)
      it(`are no finding ${title}`, () => assert.deepEqual(found(...objects), []));
  });

  it('is a policy that selects no pod, and whether hostNetwork pods match', () => {
    const policies = [
      guard({ subject: team('z') }),
      guard({ subject: { pods: { podSelector: { matchLabels: { app: 'host' } } } } }, 'hosts'),
    ];
    assert.deepEqual(texts(policies), [
      'selects-no-pod: ClusterNetworkPolicy guard: no pod matches spec.subject []',
      'selects-no-pod: ClusterNetworkPolicy hosts: no pod matches spec.subject; 1 hostNetwork pod matches, and policies select no such pod []',
    ]);
  });

  describe("a Deny of the cluster's DNS", () => {
    it('at egress is found, for pods that ask it', () => {
      const rules = [accept([all], { protocols: tcp(443) }), deny([all], { name: 'rest' })];
      assert.deepEqual(texts([guard({ egress: rules, subject: team('y') })]), [
        `cuts-dns: ClusterNetworkPolicy guard: rule 2 "rest" of ClusterNetworkPolicy guard (Admin tier, priority 10) denies egress of 1 pod to the cluster's DNS (kube-system/coredns, UDP/5353): spec.egress[1] [y/b]`,
      ]);
    });

    it('at ingress of its pods is found too', () => {
      const ingress = [{ action: 'Deny', from: [team('x')] }];
      assert.match(texts([guard({ ingress })])[0]!, /^cuts-dns: .* denies ingress from 2 pods to .* \[x\/a,x\/twin\]$/);
    });

    it('is found in the Baseline tier, unless a NetworkPolicy isolates the pods', () => {
      const baseline = guard({ tier: 'Baseline', subject: team('y'), egress: [deny([all])] });
      assert.equal(texts([baseline]).length, 1);
      assert.deepEqual(texts([baseline, policy('y/np', { podSelector: {}, policyTypes: ['Egress'] })]), []);
    });

    it('is none where an earlier rule accepts it, or a cache on the node answers instead', () => {
      const allowed = accept([all], { protocols: [{ udp: { destinationPort: { number: 5353 } } }] });
      assert.deepEqual(texts([guard({ subject: team('y'), egress: [allowed, deny([all])] })]), []);
      const cache = made('kube-system/cache', {
        ...{ node: 'n2', ips: ['192.0.2.2'], hostNetwork: true },
        labels: { 'k8s-app': 'node-local-dns' },
      });
      assert.deepEqual(texts([cache, guard({ subject: team('y'), egress: [deny([all])] })]), []);
    });
  });

  describe('a Deny of the API server', () => {
    const rule = (peer: object): ApiObject => guard({ egress: [deny([peer])] });

    it('is found for pods that mount a token, by nodes and by networks', () => {
      for (const peer of [{ nodes: {} }, { networks: ['192.0.2.0/24'] }]) {
        assert.deepEqual(texts([rule(peer)]), [
          'cuts-api-server: ClusterNetworkPolicy guard: rule 1 of ClusterNetworkPolicy guard (Admin tier, priority 10) denies egress of 2 pods to the API server (192.0.2.1, TCP/6443): spec.egress[0] [x/a,x/twin]',
        ]);
      }
    });

    it('is none on other ports, and not checked where its addresses are not known', () => {
      assert.deepEqual(texts([guard({ egress: [deny([{ nodes: {} }], { protocols: tcp(443) })] })]), []);
      const { findings, unknown } = judge([...base, rule({ nodes: {} })], { unknown: 'forbidden' });
      assert.deepEqual([findings, unknown], [[], ['whether policies deny the API server: forbidden']]);
    });
  });

  it('names no probe: what a pod answers to its node is no connection of its own (S10.10)', () => {
    const closed = guard({ subject: team('y'), ingress: [{ action: 'Deny', from: [all] }] });
    assert.deepEqual(texts([closed]), []);
  });

  it('has bounds, and says what it left out', () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      guard(
        { egress: Array.from({ length: 25 }, () => deny([team('y')], { protocols: tcp(index + 1) })) },
        `c${index}`,
      ),
    );
    const pods = Array.from({ length: 2500 }, (_, index) =>
      made(`x/p${index}`, { ips: [`10.2.${index >> 8}.${index & 255}`], labels: { number: `${index}` } }),
    );
    const idle = Array.from({ length: 120 }, (_, index) => guard({ subject: team('z') }, `idle-${index}`));
    const { findings, unknown } = judge([...base, ...many, ...pods]);
    assert.ok(findings.length <= 200);
    assert.deepEqual(unknown, [
      'ClusterNetworkPolicies for some pods: there are too many',
      'ClusterNetworkPolicies of some pods: they have too many rules',
    ]);
    const idleTexts = texts(idle);
    assert.equal(idleTexts.length, 51);
    assert.match(idleTexts.at(-1)!, /70 more findings of this kind/);
  }).timeout(60_000);
});
