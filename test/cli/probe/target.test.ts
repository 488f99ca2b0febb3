import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { toSource } from '../../../src/cli/explain/cluster-source.ts';
import { findEnd } from '../../../src/cli/explain/end-argument.ts';
import { mayBeService } from '../../../src/cli/explain/service-argument.ts';
import { Expectations } from '../../../src/cli/probe/expectation.ts';
import { findTarget } from '../../../src/cli/probe/target.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import type { Family } from '../../../src/model/address.ts';

const pod = (
  name: string,
  ips: readonly string[],
  { ready = true, ...labels }: { ready?: boolean; app?: string } = {},
) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name, labels },
  spec: { nodeName: `node-of-${name}`, containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
  status: {
    phase: 'Running',
    podIPs: ips.map((ip) => ({ ip })),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const service = (name: string, app: string, clusterIPs: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec: {
    clusterIP: clusterIPs[0],
    clusterIPs,
    selector: { app },
    ports: [
      { name: 'web', port: 80, targetPort: 'http', nodePort: 30080 },
      { name: 'dns', protocol: 'UDP', port: 53 },
    ],
  },
});
const objects: JsonObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
  },
  pod('client', ['10.0.0.1', 'fd00::1']),
  pod('four', ['10.0.0.2']),
  pod('open', ['10.0.0.3', 'fd00::3'], { app: 'open' }),
  pod('shut', ['10.0.0.4', 'fd00::4'], { app: 'shut' }),
  pod('half-open', ['10.0.0.5'], { app: 'half' }),
  pod('half-shut', ['10.0.0.6'], { app: 'half' }),
  pod('starting', ['10.0.0.7'], { app: 'none', ready: false }),
  service('open', 'open', ['10.96.0.1', 'fd00:96::1']),
  service('shut', 'shut', ['10.96.0.2']),
  service('half', 'half', ['10.96.0.3']),
  service('none', 'none', ['10.96.0.4']),
  { ...service('outside', '', ['10.96.0.5']), spec: { clusterIPs: ['10.96.0.5'], ports: [{ port: 443 }] } },
  service('headless', 'open', ['None']),
  ...['shut', 'half-shut'].map((name) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name },
    spec: {
      podSelector: name === 'shut' ? { matchLabels: { app: 'shut' } } : { matchLabels: { half: 'shut' } },
      // 80 is the Service's port, 8080 its pods'.
      ingress: [{ ports: [{ port: 80 }] }],
    },
  })),
].map((object) => {
  const { metadata } = object as unknown as { metadata: { name: string; labels?: object } };
  if (metadata.name !== 'half-shut' || object['kind'] !== 'Pod') return object;
  return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, half: 'shut' } } };
});
const source = toSource(objects, new Map(), []);

const target = (to: string, port: string, from = 'shop/client', family?: Family) =>
  findTarget({ source, from: findEnd(source, from), to, port, family });
const ask = (address: string, port: number, protocol: 'TCP' | 'UDP' = 'TCP') =>
  new Expectations(source, findEnd(source, 'shop/client')).at(address, protocol, port);

describe('the target of a probe', () => {
  for (const [to, port, from, hosts, asked] of [
    ['shop/open', '8080', 'shop/client', ['10.0.0.3', 'fd00::3'], 'TCP/8080'],
    ['shop/open', 'http', 'shop/four', ['10.0.0.3'], 'TCP/8080'],
    ['shop/svc:open', '80', 'shop/client', ['10.96.0.1', 'fd00:96::1'], 'TCP/80'],
    ['shop/svc/open', 'web', 'shop/four', ['10.96.0.1'], 'TCP/80'],
    ['shop/service:open', 'dns', 'shop/client', ['10.96.0.1', 'fd00:96::1'], 'UDP/53'],
    ['node/n1', 'TCP/22', 'shop/client', ['192.0.2.1'], 'TCP/22'],
    ['203.0.113.1', 'udp/53', 'shop/client', ['203.0.113.1'], 'UDP/53'],
    ['api.example.com', '443', 'shop/client', ['api.example.com'], 'TCP/443'],
    ['kubernetes', '443', 'shop/client', ['kubernetes'], 'TCP/443'],
  ] as const) {
    it(`${from} to ${to} ${port}: ${hosts.join(' and ')} ${asked}`, () => {
      const found = target(to, port, from);
      assert.deepEqual([found.hosts, `${found.protocol}/${found.port}`], [hosts, asked]);
    });
  }

  it('has one family if --family is given', () => {
    assert.deepEqual(target('shop/open', '80', 'shop/client', 'ipv6').hosts, ['fd00::3']);
    assert.deepEqual(target('shop/svc:open', '80', 'shop/client', 'ipv6').hosts, ['fd00:96::1']);
    assert.throws(() => target('shop/svc:shut', '80', 'shop/client', 'ipv6'), /has 10\.96\.0\.2, .*--family is ipv6/);
  });

  for (const [to, port, message] of [
    ['shop/svc:opne', '80', /Service shop\/opne does not exist; known: shop\/open/],
    [
      'shop/svc:open',
      '8080',
      /has no port 8080; it has TCP\/80 \(web\), UDP\/53 \(dns\)\. PORT is the port of the Service/,
    ],
    ['shop/svc:open', 'TCP/dns', /has no port TCP\/dns/],
    ['shop/svc:headless', '80', /headless/],
    ['shop/open', 'icmp', /a probe supports TCP and UDP only, not ICMP/],
    ['shop/open', 'SCTP/7', /SCTP/],
    ['open', '80', /did you mean shop\/open\?/],
    ['api.example.com', 'http', /use a number/],
  ] as const) {
    it(`cannot be ${to} ${port}`, () => assert.throws(() => target(to, port), { code: 'config', message }));
  }

  it('reads Services only if the target may be one', () => {
    const asked = ['shop/svc:open', '10.0.0.1', 'api.shop', 'node/n1', 'shop/open', 'shop/deployment/web'];
    assert.deepEqual(asked.filter(mayBeService), asked.slice(0, 4));
  });
});

describe('the expected result of a probe', () => {
  for (const [what, address, port, verdict, reason] of [
    ['a pod', '10.0.0.3', 8080, 'allowed', /no policy isolates shop\/open/],
    ['a pod that is isolated', '10.0.0.4', 8080, 'denied', /ingress of shop\/shut: .*shop\/shut/],
    ['the other family of it', 'fd00::4', 8080, 'denied', /shop\/shut/],
    ['a Service whose pods allow', '10.96.0.1', 80, 'allowed', /shop\/open/],
    ["a Service, by its pods' port and not its own", '10.96.0.2', 80, 'denied', /ingress of shop\/shut/],
    ['a Service some of whose pods allow', '10.96.0.3', 80, 'mixed', /half-shut/],
    ['a Service without pods that are ready', '10.96.0.4', 80, 'unknown', /no ready endpoint/],
    ['a Service whose endpoints somebody else writes', '10.96.0.5', 443, 'unknown', /has no selector/],
    ['a port that a Service does not have', '10.96.0.1', 81, 'unknown', /has no port TCP\/81/],
    ['the node port of a Service', '192.0.2.1', 30080, 'unknown', /name the Service/],
    ['the pod itself', '127.0.0.1', 22, 'allowed', /loopback traffic never leaves/],
    ['the pod itself, in the other family', '::1', 22, 'allowed', /loopback traffic never leaves/],
    ['a node', '192.0.2.1', 22, 'allowed', /no policy isolates/],
    ['anybody', '203.0.113.9', 30080, 'allowed', /no policy isolates/],
  ] as const) {
    it(`of ${what}: ${verdict}`, () => {
      const expected = ask(address, port);
      assert.equal(expected.verdict, verdict);
      assert.match(expected.reasons.join('\n'), reason);
    });
  }

  it('names tier, policy and rule of a ClusterNetworkPolicy, also for a pod behind its own Service (S10.18)', () => {
    const peers = [{ namespaces: {} }];
    const guard = {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard' },
      spec: {
        ...{ tier: 'Admin', priority: 5, subject: { namespaces: {} } },
        ingress: [{ name: 'open-only', action: 'Deny', from: peers }],
      },
    };
    const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
    const tiered = toSource([...objects, shop, guard], new Map(), []);
    const at = (from: string, address: string, port: number) =>
      new Expectations(tiered, findEnd(tiered, from)).at(address, 'TCP', port);
    const rule =
      'rule 1 "open-only" of ClusterNetworkPolicy guard (Admin tier, priority 5) denies this (ClusterNetworkPolicy guard spec.ingress[0])';
    for (const [from, address, port] of [
      ['shop/client', '10.0.0.3', 8080],
      ['shop/open', '10.96.0.1', 80],
    ] as const) {
      assert.deepEqual(at(from, address, port).reasons, [`ingress of shop/open: ${rule}`]);
    }
    assert.equal(at('shop/open', '10.0.0.3', 8080).verdict, 'allowed');
  });

  it('names the nodes that enforce policies on the connection', () => {
    assert.deepEqual(ask('10.0.0.4', 80).nodes, ['node-of-client', 'node-of-shut']);
    assert.deepEqual(ask('10.96.0.3', 80).nodes, ['node-of-client', 'node-of-half-open', 'node-of-half-shut']);
    assert.deepEqual(ask('203.0.113.9', 80).nodes, ['node-of-client']);
  });
});
