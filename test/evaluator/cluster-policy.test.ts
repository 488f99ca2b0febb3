import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { End, Flow } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { world } from './world.ts';

type Rule = Readonly<Record<string, unknown>>;

interface Given {
  readonly name?: string;
  readonly tier?: string;
  readonly priority?: unknown;
  readonly subject?: unknown;
  readonly ingress?: unknown;
  readonly egress?: unknown;
  readonly version?: string;
  readonly others?: Rule;
}

const all = { namespaces: {} };
const everyone = [all];

function cnp({
  name = 'c',
  tier = 'Admin',
  priority = 10,
  subject = all,
  version = 'v1alpha2',
  others,
  ...rules
}: Given) {
  return {
    apiVersion: `policy.networking.k8s.io/${version}`,
    kind: 'ClusterNetworkPolicy',
    metadata: { name },
    spec: { tier, priority, subject, ...rules, ...others },
  };
}

const baseline = (given: Given) => cnp({ name: 'base', tier: 'Baseline', ...given });
const np = (namespace: string, spec: Rule) => ({ kind: 'NetworkPolicy', metadata: { namespace, name: 'np' }, spec });
const isolated = np('x', { podSelector: {}, policyTypes: ['Ingress'] });
const opened = np('x', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] });

/** x/b has ended, and nobody else has its address. */
const ended = {
  kind: 'Pod',
  metadata: { namespace: 'x', name: 'b', labels: { app: 'b' } },
  spec: { nodeName: 'n2' },
  status: { phase: 'Succeeded', podIP: '10.1.0.2', podIPs: [{ ip: '10.1.0.2' }] },
};

const accept = (from: readonly unknown[] = everyone, protocols?: unknown): Rule =>
  ruleOf('Accept', 'from', from, protocols);
const deny = (from: readonly unknown[] = everyone, protocols?: unknown): Rule =>
  ruleOf('Deny', 'from', from, protocols);
const pass = (from: readonly unknown[] = everyone, protocols?: unknown): Rule =>
  ruleOf('Pass', 'from', from, protocols);
const to = (action: string, peers: readonly unknown[], protocols?: unknown): Rule =>
  ruleOf(action, 'to', peers, protocols);

function ruleOf(action: string, field: string, peers: readonly unknown[], protocols: unknown): Rule {
  return { action, [field]: peers, ...(protocols !== undefined && { protocols }) };
}

const tcp = (number: number) => [{ tcp: { destinationPort: { number } } }];
const range = (start: number, end: number) => [{ tcp: { destinationPort: { range: { start, end } } } }];
const named = (destinationNamedPort: string) => [{ destinationNamedPort }];
const pods = (podSelector: unknown, namespaceSelector?: unknown) => ({
  pods: { podSelector, ...(namespaceSelector !== undefined && { namespaceSelector }) },
});
const labels = (matchLabels: Rule) => ({ matchLabels });
const unreadable = { matchExpressions: [{ key: 'app', operator: 'Near' }] };

interface Asked extends Partial<Omit<Flow, 'source' | 'destination'>> {
  /** Default: x/b → x/a TCP/8080. */
  readonly from?: string;
  readonly to?: string;
}

function decide(objects: readonly unknown[], { from = 'x/b', to: destination = 'x/a', ...rest }: Asked = {}) {
  const end = (text: string) =>
    text.startsWith('node ') ? { node: text.slice(5) } : text.includes('/') ? { pod: text } : { address: text };
  const traffic = { protocol: 'TCP', destinationPort: 8080, family: 'ipv4', ...rest } as const;
  return evaluate(world(JSON.stringify(objects)), { source: end(from), destination: end(destination), ...traffic });
}

/** Two pods that claim one address, as no other pod does. */
const twins = ['one', 'two'].map((name) => ({
  kind: 'Pod',
  metadata: { namespace: 'y', name },
  spec: { nodeName: 'n2', containers: [] },
  status: { phase: 'Running', podIP: '10.1.1.9', podIPs: [{ ip: '10.1.1.9' }] },
}));
const noSuchPods = pods(labels({ app: 'none' }));

/** Rules of docs/semantics.md, each by example: what the objects make of a flow. */
const cases: readonly (readonly [title: string, objects: readonly unknown[], 'allowed' | 'denied', asked?: Asked])[] = [
  ['S10.1 Admin comes before NetworkPolicies: Deny', [opened, cnp({ ingress: [deny()] })], 'denied'],
  ['S10.1 … and Accept', [isolated, cnp({ ingress: [accept()] })], 'allowed'],
  ['S10.1 Baseline comes after them', [opened, baseline({ ingress: [deny()] })], 'allowed'],
  ['S10.1 … and decides where none isolates', [baseline({ ingress: [deny()] })], 'denied'],
  ['S10.2 of a policy, the first rule that matches decides', [cnp({ ingress: [accept(), deny()] })], 'allowed'],
  ['S10.2 … whatever its action', [cnp({ ingress: [deny(), accept()] })], 'denied'],
  [
    'S10.3 a lower priority number comes first',
    [cnp({ priority: 1000, ingress: [deny()] }), cnp({ name: 'd', priority: 0, ingress: [accept()] })],
    'allowed',
  ],
  [
    'S10.3 … as a number, not as text',
    [cnp({ priority: 9, ingress: [deny()] }), cnp({ name: 'a', priority: 10, ingress: [accept()] })],
    'denied',
  ],
  [
    'S10.4 a NetworkPolicy decides for the direction that it isolates',
    [np('x', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] }), baseline({ ingress: [deny()] })],
    'denied',
  ],
  [
    'S10.5 no rule matches, and nothing isolates: allowed',
    [cnp({ ingress: [deny([pods(labels({ app: 'none' }))])] })],
    'allowed',
  ],
  ['S10.6 a policy without rules does nothing', [cnp({}), baseline({ name: 'b', ingress: [], egress: [] })], 'allowed'],
  [
    'S10.6 a policy with ingress rules changes nothing of egress',
    [cnp({ subject: pods(labels({ app: 'b' })), ingress: [deny()] })],
    'allowed',
  ],
  ['S10.7 Accept at egress does not spare ingress', [isolated, cnp({ egress: [to('Accept', everyone)] })], 'denied'],
  ['S10.7 each end needs its own consent', [cnp({ ingress: [accept()], egress: [to('Deny', everyone)] })], 'denied'],
  [
    'S10.8 with the same priority, the name decides',
    [cnp({ name: 'b', ingress: [deny()] }), cnp({ name: 'a', ingress: [accept()] })],
    'allowed',
  ],
  [
    'S10.9 a subject by namespaces',
    [cnp({ subject: { namespaces: labels({ env: 'dev' }) }, ingress: [deny()] })],
    'denied',
  ],
  [
    'S10.9 … of other namespaces',
    [cnp({ subject: { namespaces: labels({ env: 'prod' }) }, ingress: [deny()] })],
    'allowed',
  ],
  [
    'S10.9 a subject by pods',
    [cnp({ subject: pods(labels({ app: 'a' }), labels({ env: 'dev' })), ingress: [deny()] })],
    'denied',
  ],
  [
    'S10.9 a missing namespaceSelector is all namespaces',
    [cnp({ subject: pods(labels({ app: 'a' })), ingress: [deny()] })],
    'denied',
    { to: 'y/c' },
  ],
  ['S10.9 hostNetwork pods are no subject', [cnp({ egress: [to('Deny', everyone)] })], 'allowed', { from: 'x/host' }],
  ['S10.9 pods that have ended are no peers', [ended, cnp({ ingress: [deny()] })], 'allowed'],
  ['S10.10 no ingress rule matches a node', [cnp({ ingress: [deny()] })], 'allowed', { from: 'node n2' }],
  ['S10.10 … or a machine outside', [cnp({ ingress: [deny()] })], 'allowed', { from: '203.0.113.1' }],
  [
    'S10.11 a peer by pods needs both selectors',
    [cnp({ ingress: [deny([pods(labels({ app: 'b' }), labels({ env: 'prod' }))])] })],
    'allowed',
  ],
  [
    'S10.11 … and matches by both',
    [cnp({ ingress: [deny([pods(labels({ app: 'b' }), labels({ env: 'dev' }))])] })],
    'denied',
  ],
  ['S10.11 peers are ORed', [cnp({ ingress: [deny([pods(labels({ app: 'none' })), all])] })], 'denied'],
  [
    'S10.11 a Deny by selector denies an address that several pods claim',
    [...twins, cnp({ ingress: [deny([noSuchPods])] })],
    'denied',
    { from: '10.1.1.9' },
  ],
  [
    'S10.11 … and so does a Pass',
    [...twins, cnp({ ingress: [pass([noSuchPods]), accept()] })],
    'denied',
    { from: '10.1.1.9' },
  ],
  [
    'S10.11 … after what accepts it',
    [...twins, cnp({ egress: [to('Accept', [{ networks: ['10.1.1.9/32'] }]), to('Deny', [noSuchPods])] })],
    'allowed',
    { from: 'x/a', to: '10.1.1.9' },
  ],
  [
    'S10.11 … on the ports of the rule',
    [...twins, cnp({ ingress: [deny([noSuchPods], tcp(1))] })],
    'allowed',
    { from: '10.1.1.9' },
  ],
  [
    'S10.11 … on all ports with a port name',
    [...twins, cnp({ egress: [to('Deny', [noSuchPods], named('none'))] })],
    'denied',
    { from: 'x/a', to: '10.1.1.9' },
  ],
  [
    'S10.11 … not where it selects nodes',
    [...twins, cnp({ egress: [to('Deny', [{ nodes: {} }])] })],
    'allowed',
    { from: 'x/a', to: '10.1.1.9' },
  ],
  [
    'S10.11 an Accept by selector does not accept it',
    [...twins, isolated, cnp({ ingress: [accept()] })],
    'denied',
    { from: '10.1.1.9' },
  ],
  [
    'S10.11 a Deny by selector denies a pod of an unknown namespace',
    [cnp({ subject: { namespaces: labels({ env: 'dev' }) }, ingress: [deny([noSuchPods])] })],
    'denied',
    { from: 'ghost/e' },
  ],
  [
    'S10.33 a pod of an unknown namespace is denied everything',
    [cnp({ subject: { namespaces: labels({ env: 'dev' }) } })],
    'denied',
    { to: 'ghost/e' },
  ],
  ['S10.33 … not by its own node', [cnp({ ingress: [deny()] })], 'allowed', { from: 'node n2', to: 'ghost/e' }],
  ['S10.33 … not without ClusterNetworkPolicies', [opened], 'allowed', { to: 'ghost/e' }],
  ['S10.12 networks match pods too', [cnp({ egress: [to('Deny', [{ networks: ['0.0.0.0/0'] }])] })], 'denied'],
  [
    'S10.12 … and machines outside',
    [cnp({ egress: [to('Deny', [{ networks: ['198.51.100.0/24', '203.0.113.0/24'] }])] })],
    'denied',
    { to: '203.0.113.1' },
  ],
  [
    'S10.12 host bits are masked off',
    [cnp({ egress: [to('Deny', [{ networks: ['203.0.113.77/24'] }])] })],
    'denied',
    { to: '203.0.113.1' },
  ],
  [
    'S10.12 … with ICMP',
    [cnp({ egress: [to('Deny', [{ networks: ['203.0.113.0/24'] }])] })],
    'denied',
    { to: '203.0.113.1', protocol: 'ICMP' },
  ],
  ['S10.12 … of their own family only', [cnp({ egress: [to('Deny', [{ networks: ['::/0'] }])] })], 'allowed'],
  [
    'S10.13 nodes match each address of their status',
    [cnp({ egress: [to('Deny', [{ nodes: {} }])] })],
    'denied',
    { to: 'fd00::2', family: 'ipv6' },
  ],
  [
    'S10.13 … and the own node',
    [cnp({ egress: [to('Deny', [{ nodes: {} }])] })],
    'denied',
    { from: 'x/a', to: 'node n1' },
  ],
  [
    'S10.13 … by label',
    [cnp({ egress: [to('Deny', [{ nodes: labels({ zone: 'z' }) }])] })],
    'allowed',
    { to: 'node n1' },
  ],
  [
    'S10.14 Accept of domainNames matches nothing yet',
    [cnp({ egress: [to('Accept', [{ domainNames: ['a.b'] }]), to('Deny', everyone)] })],
    'denied',
  ],
  [
    'S10.14 … and other peers of the rule stay',
    [cnp({ egress: [to('Accept', [{ domainNames: ['a.b'] }, all]), to('Deny', everyone)] })],
    'allowed',
  ],
  [
    'S10.14 Deny of domainNames denies everything',
    [cnp({ egress: [to('Deny', [{ domainNames: ['a.b'] }])] })],
    'denied',
  ],
  [
    'S10.15 without protocols, a rule matches every protocol',
    [cnp({ ingress: [deny()] })],
    'denied',
    { protocol: 47, destinationPort: undefined as never },
  ],
  [
    'S10.15 with them, ICMP does not match',
    [cnp({ ingress: [deny(everyone, tcp(8080))] })],
    'allowed',
    { protocol: 'ICMP' },
  ],
  ['S10.15 entries are ORed', [cnp({ ingress: [deny(everyone, [...tcp(1), ...tcp(8080)])] })], 'denied'],
  ['S10.16 a range has both ends', [cnp({ ingress: [deny(everyone, range(8000, 8080))] })], 'denied'],
  ['S10.16 … and no more', [cnp({ ingress: [deny(everyone, range(8000, 8079))] })], 'allowed'],
  ['S10.16 a protocol without a port is all its ports', [cnp({ ingress: [deny(everyone, [{ tcp: {} }])] })], 'denied'],
  ['S10.17 a port name is the number of the destination', [cnp({ ingress: [deny(everyone, named('web'))] })], 'denied'],
  [
    'S10.17 … on another pod another number',
    [cnp({ ingress: [deny(everyone, named('web'))] })],
    'allowed',
    { from: 'x/a', to: 'x/b' },
  ],
  [
    'S10.17 … with any protocol',
    [cnp({ ingress: [deny(everyone, named('dns'))] })],
    'denied',
    { protocol: 'UDP', destinationPort: 53 },
  ],
  [
    'S10.17 … nothing at all with networks, so it denies nothing to an address that several pods claim',
    [...twins, cnp({ egress: [to('Deny', [{ networks: ['0.0.0.0/0'] }], named('web'))] })],
    'allowed',
    { from: '10.1.1.9', to: 'x/a' },
  ],
  [
    'S1.10 … while a rule that may match denies it',
    [...twins, cnp({ egress: [to('Deny', [{ networks: ['10.9.0.0/16'] }], tcp(1))] })],
    'denied',
    { from: '10.1.1.9', to: 'x/a' },
  ],
  ['S10.17 … also at egress', [cnp({ egress: [to('Deny', everyone, named('web'))] })], 'denied'],
  [
    'S10.17 … and nothing with networks',
    [cnp({ egress: [to('Deny', [{ networks: ['0.0.0.0/0'] }], named('web'))] })],
    'allowed',
  ],
  [
    'S10.18 a pod reaches itself without a Service',
    [cnp({ ingress: [deny()], egress: [to('Deny', everyone)] })],
    'allowed',
    { from: 'x/a' },
  ],
  [
    'S10.18 … and through one as these policies say',
    [cnp({ ingress: [deny()] })],
    'denied',
    { from: 'x/a', throughService: true },
  ],
  [
    'S10.18 … while NetworkPolicies let it',
    [isolated, baseline({ ingress: [deny()] })],
    'allowed',
    { from: 'x/a', throughService: true },
  ],
  [
    'S10.18 … so Baseline decides where none isolates',
    [baseline({ ingress: [deny()] })],
    'denied',
    { from: 'x/a', throughService: true },
  ],
  ['S10.19 Pass of Admin leaves it to NetworkPolicies', [isolated, cnp({ ingress: [pass(), accept()] })], 'denied'],
  ['S10.19 … else to Baseline', [cnp({ ingress: [pass(), accept()] }), baseline({ ingress: [deny()] })], 'denied'],
  ['S10.19 Pass of Baseline allows', [baseline({ ingress: [pass(), deny()] })], 'allowed'],
  ['S10.20 an unknown peer: Accept matches nothing', [cnp({ ingress: [accept([{ zones: {} }]), deny()] })], 'denied'],
  ['S10.20 … Deny denies everything', [cnp({ ingress: [deny([{ zones: {} }]), accept()] })], 'denied'],
  ['S10.20 … Pass denies everything', [cnp({ ingress: [pass([{ zones: {} }]), accept()] })], 'denied'],
  ['S10.20 … but what is accepted before stays', [cnp({ ingress: [accept(), deny([{ zones: {} }])] })], 'allowed'],
  [
    'S10.20 … in its own direction only',
    [cnp({ subject: pods(labels({ app: 'b' })), ingress: [deny([{ zones: {} }])] })],
    'allowed',
  ],
  ['S10.20 an unknown protocol', [cnp({ ingress: [deny(everyone, [{ gre: {} }])] })], 'denied'],
  [
    'S10.20 an unknown action',
    [cnp({ ingress: [ruleOf('Log', 'from', [pods(labels({ app: 'none' }))], undefined), accept()] })],
    'denied',
  ],
  ['S10.20 a selector that cannot be read', [cnp({ ingress: [deny([{ namespaces: unreadable }])] })], 'denied'],
  ['S10.20 a CIDR that cannot be read', [cnp({ egress: [to('Deny', [{ networks: ['10.0.0.0/33'] }])] })], 'denied'],
  [
    'S10.20 a subject that cannot be read in part',
    [cnp({ subject: { namespaces: unreadable }, ingress: [deny([pods(labels({ app: 'none' }))])] })],
    'denied',
  ],
  [
    'S10.20 an unknown field of the policy',
    [cnp({ ingress: [accept(), deny([pods(labels({ app: 'none' }))])], others: { schedule: {} } })],
    'denied',
  ],
  ['S10.21 an unknown tier is not enforced', [cnp({ tier: 'Platform', ingress: [deny()] })], 'allowed'],
  ['S10.21 … nor a priority that is no number', [cnp({ priority: 'high', ingress: [deny()] })], 'allowed'],
  ['S10.21 … nor a subject without a known field', [cnp({ subject: { zones: {} }, ingress: [deny()] })], 'allowed'],
  ['S10.24 any served version is read', [cnp({ version: 'v1beta1', ingress: [deny()] })], 'denied'],
];

describe('ClusterNetworkPolicies, as the evaluator reads them', () => {
  for (const [title, objects, verdict, asked] of cases) {
    it(title, () => assert.equal(decide(objects, asked).verdict, verdict));
  }

  it('the answer names tier, policy and rule, what passed it on, and what came too late', () => {
    const objects = [
      isolated,
      cnp({
        name: 'guard',
        ingress: [{ ...deny(everyone, tcp(22)), name: 'no-ssh' }, { ...pass(), name: 'tenants' }, deny()],
      }),
      baseline({ ingress: [accept()] }),
    ];
    const { ingress } = decide(objects);
    assert.equal(
      ingress.reason,
      'x/a is isolated for ingress by x/np, and there is no ingress rule, after rule 2 "tenants" of ClusterNetworkPolicy guard (Admin tier, priority 10) passed it on',
    );
    const names = ({ tiers }: End) =>
      [tiers?.passedBy, tiers?.passedOver].map((list) => list?.map(({ path, action }) => `${action} ${path}`));
    assert.deepEqual(names(ingress), [['Pass spec.ingress[1]'], ['Deny spec.ingress[2]', 'Accept spec.ingress[0]']]);
    const ssh = decide(objects, { destinationPort: 22 }).ingress;
    assert.equal(ssh.reason, 'rule 1 "no-ssh" of ClusterNetworkPolicy guard (Admin tier, priority 10) denies this');
    assert.equal(ssh.tiers?.decidedBy?.path, 'spec.ingress[0]');
  });

  it('reports what it cannot read, with the field (S10.22)', () => {
    const { issues } = world(
      JSON.stringify([cnp({ ingress: [deny([{ zones: {} }])], egress: [to('Accept', [{ domainNames: ['a.b'] }])] })]),
    );
    assert.deepEqual(
      issues.map(({ object, path, effect }) => `${object} ${path}: ${effect}`),
      [
        'ClusterNetworkPolicy c spec.ingress[0].from[0].zones: failed-closed',
        'ClusterNetworkPolicy c spec.egress[0].to[0].domainNames: failed-closed',
      ],
    );
  });
});
