import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyObjects } from '../../src/impact/changes.ts';
import { computeImpact } from '../../src/impact/impact.ts';
import type { Impact } from '../../src/impact/impact.ts';
import type { NodeFlows, SeenFlow } from '../../src/impact/seen-flow.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { familyOf } from '../../src/model/address.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';

const http = [{ name: 'http', containerPort: 8080 }];
/** api and two of web on n1 and n2, client in another namespace, probe on the network of n1. */
const cluster: readonly JsonObject[] = [
  node('n1', '192.0.2.1', 'fd00:2::1'),
  node('n2', '192.0.2.2', 'fd00:2::2'),
  namespace('shop'),
  namespace('office'),
  pod('shop/api', { node: 'n1', ips: ['10.1.1.2', 'fd01:1::2'], labels: { app: 'api' }, ports: http }),
  pod('shop/web-0', { node: 'n1', ips: ['10.1.1.3', 'fd01:1::3'], labels: { app: 'web' }, ports: http }),
  pod('shop/web-1', { node: 'n2', ips: ['10.1.2.3', 'fd01:2::3'], labels: { app: 'web' }, ports: http }),
  pod('office/client', { node: 'n2', ips: ['10.1.2.4'], labels: { app: 'client' } }),
  pod('office/probe', { node: 'n1', ips: ['192.0.2.1', 'fd00:2::1'], hostNetwork: true }),
];

function seen(source: string, destination: string, port = 8080, more: Partial<SeenFlow> = {}): SeenFlow {
  const family = familyOf(source);
  return { family, protocol: 'TCP', source, destination, destinationPort: port, connections: 1, open: 1, ...more };
}

/** The impact of objects that are applied. */
function impactOf(given: readonly unknown[], flows?: readonly SeenFlow[] | readonly NodeFlows[]): Impact {
  const { objects: after } = applyObjects(cluster, given as JsonObject[]);
  const isTold = flows?.some((each) => 'flows' in each) === true;
  const told = flows && (isTold ? (flows as NodeFlows[]) : [{ addresses: [], flows: flows as SeenFlow[] }]);
  return computeImpact({ before: cluster, after, seen: told, pairs: !flows });
}

function cutOf({ flows }: Impact): string[] {
  return flows!.cut.map((each) => `${each.source} > ${each.destination}`);
}

const toApi = (ingress: unknown): unknown =>
  policy('shop/api', { podSelector: { matchLabels: { app: 'api' } }, policyTypes: ['Ingress'], ingress });

describe('the impact of a policy on tracked flows', () => {
  it('names the cut flows with the policy, the near miss and the number of connections', () => {
    const impact = impactOf(
      [toApi([{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 80 }] }])],
      [
        seen('10.1.1.3', '10.1.1.2', 8080, { connections: 7, open: 2, via: '10.96.0.1:80' }),
        seen('10.1.1.2', '10.1.2.4', 99),
      ],
    );
    const [cut] = impact.flows!.cut;
    deepEqual(
      [impact.flows!.seen, impact.flows!.cut.length, cut!.connections, cut!.open, cut!.via],
      [2, 1, 7, 2, ['10.96.0.1:80']],
    );
    deepEqual([cut!.source, cut!.destination, cut!.families], ['shop/web-0', 'shop/api', ['ipv4']]);
    const [reason] = cut!.reasons;
    deepEqual([cut!.reasons.length, reason!.direction, reason!.isolatedBy], [1, 'ingress', ['shop/api']]);
    match(reason!.nearMisses[0]!.reason, /would allow, but the port is 8080, not 80$/);
  });

  it('a named port is the number that the pod declares', () => {
    const given = [toApi([{ ports: [{ port: 'http' }] }])];
    deepEqual(cutOf(impactOf(given, [seen('10.1.1.3', '10.1.1.2'), seen('10.1.2.3', '10.1.1.2', 9090)])), [
      'shop/web-1 > shop/api',
    ]);
  });

  it('an ipBlock allows its addresses except its exceptions', () => {
    const given = [toApi([{ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.8/29'] } }] }])];
    const flows = ['203.0.113.7', '203.0.113.9', '198.51.100.1'].map((source) => seen(source, '10.1.1.2'));
    deepEqual(cutOf(impactOf(given, flows)), ['203.0.113.9 > shop/api', '198.51.100.1 > shop/api']);
  });

  it('both families of one pair are one change, if the same denies them', () => {
    const flows = [seen('10.1.1.3', '10.1.1.2'), seen('fd01:1::3', 'fd01:1::2', 8080, { connections: 4 })];
    const [cut, ...others] = impactOf([toApi([])], flows).flows!.cut;
    deepEqual([others.length, cut!.families, cut!.connections], [0, ['ipv4', 'ipv6'], 5]);
  });

  it('a policy of one family cuts only the other family', () => {
    const given = [toApi([{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }])];
    const flows = [seen('10.1.1.3', '10.1.1.2'), seen('fd01:1::3', 'fd01:1::2')];
    deepEqual(
      impactOf(given, flows).flows!.cut.map(({ families }) => families),
      [['ipv6']],
    );
  });

  it('a changed namespace label cuts and opens flows', () => {
    const known = [
      ...cluster,
      toApi([{ from: [{ namespaceSelector: { matchLabels: { purpose: 'staff' } } }] }]),
    ] as JsonObject[];
    const { objects: after } = applyObjects(known, [namespace('office', { purpose: 'staff' })]);
    const told = [{ addresses: [], flows: [seen('10.1.2.4', '10.1.1.2')] }];
    const opens = computeImpact({ before: known, after, seen: told, pairs: false });
    const closes = computeImpact({ before: after, after: known, seen: told, pairs: false });
    deepEqual([opens.flows!.cut.length, opens.flows!.opened[0]!.source], [0, 'office/client']);
    deepEqual([cutOf(closes), closes.flows!.opened.length], [['office/client > shop/api'], 0]);
    deepEqual([opens.isolation, closes.isolation], [[], []]);
  });

  describe('as seen by the nodes', () => {
    const bridge = '10.1.1.1';

    it('packets of the own node pass, from any of its addresses', () => {
      const told = (addresses: string[]): NodeFlows[] => [{ node: 'n1', addresses, flows: [seen(bridge, '10.1.1.2')] }];
      deepEqual(cutOf(impactOf([toApi([])], told([bridge]))), []);
      deepEqual(cutOf(impactOf([toApi([])], told([]))), [`${bridge} > shop/api`]);
    });

    it('packets of another node do not', () => {
      const told = [{ node: 'n1', addresses: [bridge], flows: [seen('192.0.2.2', '10.1.1.2')] }];
      deepEqual(cutOf(impactOf([toApi([])], told)), ['node n2 > shop/api']);
    });

    it('the address that the pod’s node sees decides, even behind the NAT of another node', () => {
      const given = [toApi([{ from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }])];
      const client = seen('203.0.113.9', '10.1.1.2', 8080, { via: '192.0.2.2:30080' });
      const told = [
        { node: 'n2', addresses: ['192.0.2.2'], flows: [client] },
        { node: 'n1', addresses: ['192.0.2.1'], flows: [seen('192.0.2.2', '10.1.1.2')] },
      ];
      deepEqual(cutOf(impactOf(given, told)), ['node n2 > shop/api']);
      // The entries of n2 about the client do not matter for the pod on n1.
      const node = [toApi([{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }])];
      deepEqual(cutOf(impactOf(node, told)), []);
      // If n1 was not asked, the entries of n2 count.
      deepEqual(cutOf(impactOf([toApi([])], told.slice(0, 1))), ['203.0.113.9 > shop/api']);
    });

    it('a connection that both nodes track counts once', () => {
      const flow = seen('10.1.2.3', '10.1.1.2', 8080, { connections: 3, open: 3 });
      const told = ['n1', 'n2'].map((name) => ({ node: name, addresses: [], flows: [flow] }));
      const { flows } = impactOf([toApi([])], told);
      deepEqual([flows!.seen, flows!.cut.length, flows!.cut[0]!.connections], [1, 1, 3]);
    });

    it('different entries of one node for the same flow add up', () => {
      const direct = seen('10.1.2.3', '10.1.1.2', 8080, { connections: 3, open: 1 });
      const told = [
        { node: 'n1', addresses: [], flows: [direct, { ...direct, via: '10.96.0.1:80', connections: 2, open: 2 }] },
      ];
      const [cut] = impactOf([toApi([])], told).flows!.cut;
      deepEqual([cut!.connections, cut!.open, cut!.via], [5, 3, ['10.96.0.1:80']]);
    });

    it('a denial at either end is found, also where each node sees one end', () => {
      const given = [
        policy('shop/web', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Egress'] }),
        toApi([]),
      ];
      const told = ['n1', 'n2'].map((name) => ({ node: name, addresses: [], flows: [seen('10.1.2.3', '10.1.1.2')] }));
      const { cut } = impactOf(given, told).flows!;
      deepEqual(
        cut[0]!.reasons.map(({ direction }) => direction),
        ['ingress', 'egress'],
      );
    });
  });
});

describe('the impact of a policy on pods', () => {
  it('names newly isolated pods, with direction and policies', () => {
    const given = [policy('shop/all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })];
    const { isolation } = impactOf(given);
    deepEqual(
      isolation.map((each) => [each.pod, each.direction, each.isolated, each.by]),
      ['shop/api', 'shop/web-0', 'shop/web-1'].flatMap((name) => [
        [name, 'ingress', true, ['shop/all']],
        [name, 'egress', true, ['shop/all']],
      ]),
    );
  });

  it('a pod on its host’s network is never isolated', () => {
    const given = [policy('office/all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })];
    deepEqual([...new Set(impactOf(given).isolation.map((each) => each.pod))], ['office/client']);
  });

  it('pairs are grouped by workload, and a pod on the host network still reaches pods of its node', () => {
    const given = [policy('shop/web', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] })];
    const { cut, opened } = impactOf(given).pairs!;
    const summary = cut.map(({ source, destination, pairs, families }) => [
      source.name,
      source.members.length,
      destination.name,
      destination.members,
      pairs,
      families.length,
    ]);
    const web = ['shop/web-0', 'shop/web-1'];
    deepEqual(summary, [
      ['office: app=client', 1, 'shop: app=web', web, 2, 1],
      ['shop: app=api', 1, 'shop: app=web', web, 2, 2],
      ['shop: app=web', 2, 'shop: app=web', web, 2, 2],
      ['office/probe', 1, 'shop: app=web', ['shop/web-1'], 1, 2],
    ]);
    equal(opened.length, 0);
  });

  it('pods of one workload with different ipBlocks are evaluated separately', () => {
    const given = [toApi([{ from: [{ ipBlock: { cidr: '10.1.1.0/24' } }, { ipBlock: { cidr: '::/0' } }] }])];
    const { cut } = impactOf(given).pairs!;
    deepEqual(
      cut.map(({ source, families }) => [source.members, families]),
      [
        [['office/client'], ['ipv4']],
        [['shop/web-1'], ['ipv4']],
      ],
    );
  });

  it('pods of one workload with different port names are evaluated separately', () => {
    const twin = (name: string, ip: string, port: string): unknown =>
      pod(name, { ips: [ip], labels: { app: 'twin' }, ports: [{ name: port, containerPort: 8080 }] });
    const before = [...cluster, twin('shop/a', '10.1.1.8', 'http'), twin('shop/b', '10.1.1.9', 'web')] as JsonObject[];
    const given = policy('shop/twin', {
      podSelector: { matchLabels: { app: 'twin' } },
      ingress: [{ ports: [{ port: 'http' }] }],
    });
    const { objects: after } = applyObjects(before, [given]);
    const { cut } = computeImpact({ before, after, pairs: true }).pairs!;
    deepEqual(new Set(cut.flatMap(({ destination }) => destination.members)), new Set(['shop/b']));
  });

  it('for a pod without declared ports, only rules without ports count', () => {
    const given = [
      policy('office/all', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ ports: [{ port: 80 }] }] }),
    ];
    deepEqual(
      [...new Set(impactOf(given).pairs!.cut.map((each) => `${each.destination.name} ${each.protocol}/${each.port}`))],
      ['office: app=client ICMP/undefined'],
    );
  });

  it('names the invalid field, and evaluates the policy as agents would enforce it', () => {
    const impact = impactOf([toApi([{ ports: [{ port: 80, protocol: 'tcp' }] }])], [seen('10.1.1.3', '10.1.1.2', 80)]);
    deepEqual(
      impact.issues.get('NetworkPolicy shop/api')!.map(({ path }) => path),
      ['spec.ingress[0].ports[0].protocol'],
    );
    deepEqual(cutOf(impact), ['shop/web-0 > shop/api']);
  });

  it('a pod whose address another pod also claims is evaluated separately from its workload (S1.10)', () => {
    const twin = pod('shop/twin', { node: 'n2', ips: ['10.1.2.3'], labels: { app: 'twin' }, ports: http });
    const before = [...cluster, twin];
    const closed = policy('shop/twin', { podSelector: { matchLabels: { app: 'twin' } }, policyTypes: ['Ingress'] });
    const { objects: after } = applyObjects(before, [closed]);
    const { pairs } = computeImpact({ before, after, pairs: true });
    const cut = pairs!.cut.flatMap((each) => each.destination.members);
    deepEqual([cut.includes('shop/web-1'), cut.includes('shop/web-0')], [true, false]);
  });
});
