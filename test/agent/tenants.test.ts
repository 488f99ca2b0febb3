import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { RecordedDenial } from '../../src/compile/denials.ts';
import type { NodeFact } from '../../src/model/cluster.ts';
import { clusterPolicy, namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { tellAll } from './event-texts.ts';

const outside = '203.0.113.7';

/** Every name, label and value of a tenant has its namespace's name in it, so that a text shows whose object it describes. */
const marked = (tenant: string, last: number, fields: Partial<Parameters<typeof pod>[1]> = {}): ApiObject =>
  pod(`${tenant}/${tenant}-pod-${last}`, {
    ips: [`10.1.0.${last}`],
    labels: { app: `${tenant}-app-${last}`, [`${tenant}-key`]: `${tenant}-value` },
    ports: [{ name: `${tenant}-port`, containerPort: 8080 }],
    ...fields,
  });

const space = (tenant: string): ApiObject => namespace(tenant, { team: `${tenant}-team`, [`${tenant}-label`]: '' });

/** Rules that guess at what others' objects are called: each kind of peer and port, so that each kind of near miss is described. */
const guessing = [
  [{ podSelector: { matchLabels: { app: 'guess' } } }],
  [{ namespaceSelector: { matchLabels: { team: 'guess' } } }],
  [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'guess' } } }],
  [{ namespaceSelector: {}, podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } }],
  [{ ipBlock: { cidr: '192.0.2.0/24' } }],
] as const;
const guessedPorts = [[], [{ port: 443 }], [{ port: 'http' }], [{ protocol: 'UDP' }]] as const;

const guesses = (tenant: string): ApiObject[] =>
  guessing.flatMap((peers, index) =>
    guessedPorts.map((ports, kind) =>
      policy(`${tenant}/${tenant}-policy-${index}-${kind}`, {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: peers, ports }],
        egress: [{ to: peers, ports }],
      }),
    ),
  );

const noted = (direction: 'ingress' | 'egress', source: string, destination: string): RecordedDenial => ({
  ...{ direction, family: 'ipv4', source, destination, protocol: 'tcp', port: 8080 },
  ...{ packets: 1, secondsAgo: 0 },
});

interface Case {
  readonly what: string;
  readonly objects?: readonly ApiObject[];
  readonly facts?: readonly NodeFact[];
  readonly denials?: readonly RecordedDenial[];
  /** What users of namespace shop read, and what only operators do. */
  readonly event: RegExp;
  readonly log?: RegExp;
}

const cases: readonly Case[] = [
  {
    what: 'a connection from a pod of another namespace',
    denials: [noted('ingress', '10.1.0.3', '10.1.0.1')],
    event: /ingress denied: 10\.1\.0\.3 → shop\/shop-pod-1, TCP\/8080\. rule 1 of policy shop\/shop-policy-/,
    log: /"from":"bank\/bank-pod-3"/,
  },
  {
    what: 'a connection to a pod of another namespace',
    denials: [noted('egress', '10.1.0.1', '10.1.0.3')],
    event:
      /egress denied: shop\/shop-pod-1 → 10\.1\.0\.3, TCP\/8080\..*For operators, the agent.s log names the owner of/,
    log: /label app of bank\/bank-pod-3 is .*bank-app-3/,
  },
  {
    what: 'a connection from a pod of the same namespace',
    denials: [noted('ingress', '10.1.0.2', '10.1.0.1')],
    event: /ingress denied: shop\/shop-pod-2 → shop\/shop-pod-1, .*label app of shop\/shop-pod-2 is .*shop-app-2/,
  },
  {
    what: 'a connection to a node',
    denials: [noted('egress', '10.1.0.1', '192.0.2.2')],
    event: /egress denied: shop\/shop-pod-1 → 192\.0\.2\.2,/,
    log: /"to":"node bank-node"/,
  },
  {
    what: 'an address that a pod of another namespace claims too',
    objects: [marked('bank', 1)],
    event: /10\.1\.0\.1 is also claimed by pods of other namespaces/,
    log: /claimed by bank\/bank-pod-1/,
  },
  {
    what: 'an address that a pod of the same namespace claims too',
    objects: [pod('shop/shop-twin', { ips: ['10.1.0.1'] })],
    event: /10\.1\.0\.1 is also claimed by shop\/shop-twin/,
  },
  {
    what: 'an address of a node',
    objects: [marked('shop', 5, { ips: ['192.0.2.2'] })],
    event: /192\.0\.2\.2 is a node's/,
  },
  {
    what: 'an address that the sandbox of a pod of another namespace has',
    objects: [marked('bank', 1)],
    facts: [sandbox('bank/bank-pod-1', { ips: ['10.1.0.1'] })],
    event: /10\.1\.0\.1 is not an address of the pod's sandbox on this node/,
  },
  {
    what: 'a connection that a ClusterNetworkPolicy denies',
    objects: [
      clusterPolicy('bank-guard', {
        ingress: [
          { name: 'bank-rule', action: 'Deny', from: [{ namespaces: { matchLabels: { team: 'bank-team' } } }] },
        ],
      }),
    ],
    denials: [noted('ingress', '10.1.0.3', '10.1.0.1')],
    event:
      /a ClusterNetworkPolicy of the Admin tier denies this, and no NetworkPolicy can allow it\. For operators, the agent's log names the policy and the rule, and the owner of 10\.1\.0\.3/,
    log: /rule 1 "bank-rule" of ClusterNetworkPolicy bank-guard/,
  },
  {
    what: 'a policy that is not understood',
    objects: [
      policy('shop/shop-broken', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'shop-cidr' } }] }] }),
    ],
    event: /"name":"shop-broken".*must be a CIDR/,
  },
];

const base = [
  node('n1', '192.0.2.1'),
  node('bank-node', '192.0.2.2'),
  ...['shop', 'bank'].flatMap((tenant) => [space(tenant), ...guesses(tenant)]),
  ...[marked('shop', 1), marked('shop', 2), marked('bank', 3), marked('bank', 4, { node: 'bank-node' })],
];

describe('users of a namespace read of its own objects alone (S9.14)', function () {
  this.timeout(180_000);

  for (const { what, objects = [], event, log, ...told } of cases) {
    it(what, async () => {
      const { events, log: lines } = await tellAll([...base, ...objects], told);
      const own = events.get('shop')?.join('\n') ?? '';
      assert.match(own, event);
      assert.doesNotMatch(own, /bank/);
      if (log) assert.match(lines.replaceAll('\\', ''), log);
    });
  }

  it('a pod of another namespace, a node and an outsider at one address are the same to them', async () => {
    const at = (...objects: readonly ApiObject[]) =>
      tellAll([...base, ...objects], {
        denials: [noted('egress', '10.1.0.1', outside), noted('ingress', outside, '10.1.0.1')],
      }).then(({ events }) => events.get('shop'));
    const expected = await at();
    assert.equal(expected?.length, 2);
    assert.deepEqual(await at(marked('bank', 9, { ips: [outside] })), expected);
    assert.deepEqual(await at(marked('bank', 9, { ips: [outside] }), marked('bank', 8, { ips: [outside] })), expected);
    assert.deepEqual(await at(node('elsewhere', outside)), expected);
    assert.notDeepEqual(await at(marked('shop', 9, { ips: [outside] })), expected);
  });

  it('so is an address that pods of theirs and of another namespace claim', async () => {
    const egress = [{ to: [{ podSelector: { matchLabels: { app: 'guess' } } }] }];
    const alone = [
      space('shop'),
      marked('shop', 1),
      policy('shop/shop-egress', { podSelector: {}, policyTypes: ['Egress'], egress }),
    ];
    const at = async (...objects: readonly ApiObject[]) => {
      const { events } = await tellAll([...alone, ...objects], { denials: [noted('egress', '10.1.0.1', '10.1.0.9')] });
      return events.get('shop')?.filter((text) => text.includes('ConnectionDenied'));
    };
    const contested = [marked('shop', 9, { node: 'n2' }), marked('bank', 9, { node: 'n2' })];
    const expected = await at();
    assert.equal(expected?.length, 1);
    assert.deepEqual(await at(...contested), expected);
  });

  const tenants = ['alpha', 'beta', 'gamma'] as const;
  const small = fc.integer({ min: 1, max: 9 });
  const draws = fc.record({
    tenant: fc.constantFrom(...tenants),
    name: small,
    address: small,
    here: fc.boolean(),
    port: fc.constantFrom('http', 'own'),
  });
  const manyDraws = (selector: (draw: { tenant: string; name: number; address: number }) => unknown) =>
    fc.uniqueArray(draws, { selector, minLength: 3, maxLength: 9 });
  const manyDenials = fc.array(
    fc.tuple(fc.constantFrom('ingress', 'egress'), small, small).map(([direction, from, to]) => {
      return noted(direction, `10.1.0.${from}`, `10.1.0.${to}`);
    }),
    { minLength: 8, maxLength: 8 },
  );
  const somePolicies = fc.subarray(tenants.flatMap(guesses), { minLength: 6 });
  const podsOf = (drawn: readonly (typeof draws extends fc.Arbitrary<infer T> ? T : never)[]): ApiObject[] =>
    drawn.map(({ tenant, name, address, here, port }) => {
      const ports = [{ name: port === 'own' ? `${tenant}-port` : port, containerPort: 8081 }];
      return marked(tenant, name, { ips: [`10.1.0.${address}`], node: here ? 'n1' : 'n2', ports });
    });

  it('in random clusters: no string of another namespace is in an Event, and the log has them', async () => {
    let [described, logged] = [0, 0];
    const isUnique = ({ tenant, name }: { tenant: string; name: number }): string => `${tenant} ${name}`;
    const property = fc.asyncProperty(
      manyDraws(isUnique),
      manyDenials,
      somePolicies,
      async (drawn, denials, policies) => {
        const objects = [node('n1', '192.0.2.1'), ...tenants.map(space), ...policies, ...podsOf(drawn)];
        const { events, log } = await tellAll(objects, { denials });
        for (const [reader, texts] of events) {
          const others = tenants.filter((each) => each !== reader);
          for (const text of texts) {
            for (const other of others) assert.ok(!text.includes(other), `in ${reader}: ${text}`);
            if (new RegExp(`denied: ${reader}/.* → ${reader}/`).test(text)) described++;
          }
        }
        if (log.includes('label app of')) logged++;
      },
    );
    await fc.assert(property, { numRuns: 300 });
    assert.ok(described > 20 && logged > 10, `${described} described, ${logged} logged`);
  });

  it('in random clusters: Events are the same whatever other namespaces have', async () => {
    let told = 0;
    const property = fc.asyncProperty(
      manyDraws(({ address }) => address),
      manyDenials,
      somePolicies,
      async (drawn, denials, policies) => {
        const objects = [...tenants.map(space), ...policies, ...podsOf(drawn)];
        const { events } = await tellAll(objects, { denials });
        for (const [reader, texts] of events) {
          const own = objects.filter(({ metadata }) => (metadata.namespace ?? metadata.name) === reader);
          assert.deepEqual((await tellAll(own, { denials })).events.get(reader), texts);
          told += texts.length;
        }
      },
    );
    await fc.assert(property, { numRuns: 100 });
    assert.ok(told > 100, `${told} Events`);
  });
});
