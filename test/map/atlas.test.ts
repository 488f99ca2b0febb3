import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';
import type { Traffic } from '../../src/flows/traffic.ts';
import { keyOf } from '../../src/impact/object-key.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { objectAt } from '../../src/lib/json.ts';
import { mergePorts } from '../../src/map/draw.ts';
import { openAtlas } from '../../src/map/open-atlas.ts';
import type { Atlas } from '../../src/map/atlas.ts';
import type { ExplainedPair, MapEdge } from '../../src/map/policy-map.ts';
import { families } from '../../src/model/address.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../support/objects.ts';
import { scenes } from '../suggest/random-traffic.ts';
import { history, pageData } from './page-data.ts';

const [web, api] = ['web', 'api'].map((app): FlowEnd => ({ kind: 'workload', namespace: 'shop', labels: { app } }));
const probe: FlowEnd = { kind: 'workload', namespace: 'ops', labels: { app: 'probe' } };
const block = (cidr: string): FlowEnd => ({ kind: 'block', cidr });

const objects: JsonObject[] = [
  ...['shop', 'ops'].map((name) => namespace(name, { 'kubernetes.io/metadata.name': name })),
  node('n1', '192.0.2.1', '2001:db8::1'),
  pod('shop/web-1', { labels: { app: 'web' }, ips: ['10.244.1.2'] }),
  pod('shop/web-2', { labels: { app: 'web' }, ips: ['10.244.1.3'] }),
  pod('shop/api-1', { labels: { app: 'api' }, ips: ['10.244.1.4'] }),
  pod('ops/probe', { labels: { app: 'probe' }, ips: ['10.244.1.5'] }),
  policy('shop/api', {
    podSelector: { matchLabels: { app: 'api' } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ protocol: 'TCP', port: 80 }] }],
  }),
];

const seen = (from: FlowEnd, to: FlowEnd, port: Traffic['port'], more: Partial<Traffic> = {}): Traffic => {
  const minutes = more.minutes ?? [[5, 3]];
  const connections = minutes.reduce((sum, [, count]) => sum + count, 0);
  const protocol = port === undefined ? 'ICMP' : 'TCP';
  const [first, last] = [minutes[0]?.[0] ?? 1, minutes.at(-1)?.[0] ?? 60];
  return {
    ...{ from, to, protocol, ...(port !== undefined && { port }), verdict: 'allowed' },
    ...{ connections, first, last, minutes },
    ...more,
  };
};

const open = (traffic: readonly Traffic[], more: readonly JsonObject[] = []): Atlas =>
  openAtlas(pageData([...objects, ...more], [history(traffic)]));
/** With a DNS server, a Baseline policy of these rules for all pods, and another policy. */
const withDns = (rules: object, other: JsonObject, traffic: Traffic): Atlas => {
  const server = pod('kube-system/dns', { node: 'n1', ips: ['10.0.9.9'], labels: { 'k8s-app': 'kube-dns' } });
  const baseline = { tier: 'Baseline', priority: 1000, subject: { namespaces: {} }, ...rules };
  return open([traffic], [namespace('kube-system'), server, other, clusterPolicy('default-deny', baseline)]);
};
const short = ({ id, verdict, ports }: MapEdge): string =>
  `${id}: ${verdict}, ${ports.map((port) => `${port.name} ${port.verdict} ${JSON.stringify(port.seen)}`).join(', ')}`;
const edgesOf = (atlas: Atlas): string[] => atlas.map().edges.map(short);

describe('the map', () => {
  it('has an edge for all that was seen between two workloads, with what the policies say', () => {
    const traffic = [
      seen(web!, api!, 80),
      seen(probe, api!, 80, { verdict: 'denied' }),
      seen(probe, api!, 81, { verdict: 'denied', minutes: [[7, 9]] }),
    ];
    assert.deepEqual(edgesOf(open(traffic)), [
      'workload ops/pod/probe → workload shop/pod/api-1: denied, TCP/81 denied {"denied":9}, TCP/80 denied {"denied":3}',
      'workload shop/pod/web-1 → workload shop/pod/api-1: allowed, TCP/80 allowed {"allowed":3}',
    ]);
  });

  it('draws workloads whose pods have the same labels as one', () => {
    const { nodes } = open([]).map();
    assert.deepEqual(
      nodes.map(({ id, label, pods }) => [id, label, pods]),
      [
        ['workload ops/pod/probe', 'pod/probe', 1],
        ['workload shop/pod/api-1', 'pod/api-1', 1],
        ['workload shop/pod/web-1', 'pod/web-1, pod/web-2', 2],
      ],
    );
  });

  it('draws pods that have gone, nodes, and blocks by the narrowest of the policies', () => {
    const gone: FlowEnd = { kind: 'workload', namespace: 'shop', labels: { app: 'old' } };
    const blocks = policy('ops/blocks', {
      podSelector: {},
      egress: [
        {
          to: ['0.0.0.0/0', '203.0.113.0/24', '203.0.113.0/28', '2001:db8::/32'].map((cidr) => ({ ipBlock: { cidr } })),
        },
      ],
    });
    const ends = [gone, { kind: 'node', name: 'n1' }, { kind: 'others' }, { kind: 'namespace', name: 'shop' }] as const;
    const addresses = [
      '203.0.113.7/32',
      '203.0.113.77/32',
      '8.8.8.8/32',
      '10.1.1.1/32',
      'fd00::1/128',
      '2001:db8::7/128',
    ];
    const atlas = open(
      [...ends, ...addresses.map(block)].map((end) => seen(probe, end, 443)),
      [blocks],
    );
    assert.deepEqual(
      atlas
        .map()
        .edges.map(({ to, verdict, connections }) => `${to} ${verdict} ${connections}`)
        .sort(),
      [
        'block 2001:db8::/32 unknown 3',
        'block 203.0.113.0/24 allowed 3',
        'block 203.0.113.0/28 allowed 3',
        'gone shop/app=old unknown 3',
        'internet allowed 3',
        // A node's own pods are kept as `own-node`, and no pod is elsewhere.
        'node n1 unknown 3',
        'others shop unknown 3',
        'others unknown 3',
        // An IPv6 address cannot be reached by a pod without one.
        'private allowed 6',
      ],
    );
  });

  it('counts only the minutes that are asked for, and keeps what was open in them', () => {
    const traffic = [
      seen(web!, api!, 80, {
        minutes: [
          [5, 1],
          [50, 4],
        ],
      }),
      seen(probe, web!, 80, { minutes: [[40, 1]] }),
      seen(api!, web!, 80, { minutes: [], first: 1, last: 60 }),
    ];
    const atlas = open(traffic);
    const { edges } = atlas.map({ minutes: [45, 60] });
    assert.deepEqual(
      edges.map(({ from, connections }) => [from, connections]),
      [
        ['workload shop/pod/web-1', 4],
        ['workload shop/pod/api-1', 0],
      ],
    );
    assert.deepEqual(
      atlas.timeline.filter(({ allowed }) => allowed > 0).map(({ minute, allowed }) => [minute, allowed]),
      [
        [5, 1],
        [40, 1],
        [50, 4],
      ],
    );
    assert.equal(atlas.timeline.length, 60);
  });

  it('has a time line of an hour at most, whatever the agents say', () => {
    const wrong = [
      { ...history([]), node: 'n2', since: 0, now: 60 },
      { ...history([]), node: 'n3', since: 1, now: 30_000_000 },
    ];
    const atlas = openAtlas(pageData(objects, [history([seen(web!, api!, 80)]), ...wrong]));
    assert.equal(atlas.timeline.length, 60);
    assert.equal(atlas.map().lastMinute - atlas.map().firstMinute, 59);
  });

  it('explains an edge by pairs of pods, and leaves what cannot be judged without a verdict', () => {
    const atlas = open([seen(probe, api!, 80, { verdict: 'denied' }), seen(web!, api!, 'other')]);
    const [edge] = atlas.map().edges.filter(({ verdict }) => verdict === 'denied');
    const [pair, ...others] = atlas.explain(edge!.id, 'TCP/80');
    assert.deepEqual([pair!.from, pair!.to, pair!.family, others.length], ['ops/probe', 'shop/api-1', 'ipv4', 0]);
    assert.deepEqual(pair!.decision.ingress.isolatedBy, ['shop/api']);
    assert.equal(pair!.decision.ingress.nearMisses[0]!.path, 'spec.ingress[0].from[0].podSelector');
    const [other] = atlas.map().edges.filter(({ verdict }) => verdict === 'unknown');
    assert.deepEqual([other!.ports[0]!.name, atlas.explain(other!.id, 'TCP/other')], ['TCP/other', []]);
  });

  it('draws what is possible where nothing was kept', () => {
    const ports = [{ name: 'http', containerPort: 80 }];
    const server = pod('ops/server', { labels: { app: 'server' }, ips: ['10.244.1.9'], ports });
    const closed = policy('ops/closed', {
      podSelector: { matchLabels: { app: 'server' } },
      ingress: [{ from: [{ podSelector: {} }] }],
    });
    const edges = openAtlas(pageData([...objects, server, closed]))
      .map()
      .edges.map(short);
    assert.ok(
      edges.includes('workload ops/pod/probe → workload ops/pod/server: allowed, TCP/80 allowed {}'),
      edges.join('\n'),
    );
    assert.ok(edges.includes('workload shop/pod/web-1 → workload ops/pod/server: denied, TCP/80 denied {}'));
  });

  it('does not judge an address as outside where a user sees a part of the cluster', () => {
    const more = [policy('ops/pods', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] }), ...[]];
    const traffic = [seen(block('10.244.9.9/32'), probe, 80)];
    const data = pageData([...objects, ...more], [history(traffic)]);
    const explained = (atlas: Atlas): string =>
      atlas
        .explain('private → workload ops/pod/probe', 'TCP/80')
        .map(({ decision }) => decision.ingress.nearMisses[0]!.reason)
        .join();
    assert.notEqual(explained(openAtlas({ ...data, shows: 'part' })), explained(openAtlas(data)));
    assert.match(explained(openAtlas({ ...data, shows: 'part' })), /unknown|not known|may/);
  });

  it('has both verdicts where policies tell the pods of a workload apart', () => {
    const labels = (hash: string): Record<string, string> => ({ app: 'web', 'pod-template-hash': hash });
    const more = [
      pod('ops/new', { labels: labels('2'), ips: ['10.244.1.7'] }),
      pod('ops/old', { labels: labels('1'), ips: ['10.244.1.8'] }),
      policy('ops/old', { podSelector: { matchLabels: { 'pod-template-hash': '1' } } }),
    ];
    const atlas = open([seen(probe, { kind: 'workload', namespace: 'ops', labels: { app: 'web' } }, 80)], more);
    assert.deepEqual(edgesOf(atlas), [
      'workload ops/pod/probe → workload ops/pod/new: both, TCP/80 both {"allowed":3}',
    ]);
  });

  it('judges a node with pods of other nodes, and a pod with its own node', () => {
    const onNode = (name: string, ip: string, nodeName: string) => {
      const made = pod(`ops/${name}`, { labels: { app: 'web' }, ips: [ip] });
      return { ...made, spec: { ...(made['spec'] as object), nodeName } };
    };
    const more = [
      node('n2', '192.0.2.2'),
      ...[onNode('a', '10.244.1.21', 'n1'), onNode('b', '10.244.1.22', 'n1'), onNode('c', '10.244.1.23', 'n2')],
      policy('ops/closed', { podSelector: { matchLabels: { app: 'web' } } }),
    ];
    const server: FlowEnd = { kind: 'workload', namespace: 'ops', labels: { app: 'web' } };
    const atlas = open([seen({ kind: 'node', name: 'n1' }, server, 80), seen({ kind: 'own-node' }, server, 80)], more);
    const verdicts = atlas.map().edges.map(({ from, verdict }) => `${from} ${verdict}`);
    assert.deepEqual(verdicts.sort(), ['node n1 denied', 'own-node allowed']);
  });

  it('does not take an end whose name has an arrow for another edge', () => {
    const odd: FlowEnd = { kind: 'workload', namespace: 'shop', labels: { app: 'x → internet' } };
    const ids = open([seen(odd, web!, 80), seen({ ...odd, labels: { app: 'x' } }, web!, 80)])
      .map()
      .edges.map(({ id }) => id);
    assert.equal(ids.filter((id) => id.split(' → ').length === 2).length, 2);
  });

  it('explains each part of a verdict before more of the same', () => {
    const more = [
      policy('ops/out', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '8.8.8.0/24', except: ['8.8.8.20/32'] } }] }],
      }),
    ];
    const many = Array.from({ length: 20 }, (_, index) => seen(probe, block(`8.8.8.${index + 1}/32`), 443));
    const atlas = open(many, more);
    const [edge] = atlas.map().edges;
    const verdicts = atlas.explain(edge!.id, 'TCP/443').map(({ decision }) => decision.verdict);
    assert.deepEqual([edge!.verdict, verdicts.length, verdicts.includes('denied')], ['both', 12, true]);
  });

  it('has the verdict of every pair of pods (property)', () => {
    const all: string[] = [];
    fc.assert(
      fc.property(scenes, ({ objects: random, seen: traffic }) => {
        const cluster = prepareCluster(random);
        const atlas = openAtlas(pageData(random, [history(traffic)]));
        for (const edge of atlas.map().edges) {
          for (const port of edge.ports) {
            for (const { from, to, family, decision } of atlas.explain(edge.id, port.name)) {
              const [protocol, number] = port.name.split('/');
              const ends = [from, to].map((name) =>
                name.startsWith('node ')
                  ? { node: name.slice('node '.length) }
                  : name.includes('/')
                    ? { pod: name }
                    : { address: name },
              );
              assert.ok(ends.every((end) => familiesOf(cluster, end).includes(family)));
              const { verdict } = evaluate(cluster, {
                ...{ source: ends[0]!, destination: ends[1]!, family, protocol: protocol as 'TCP' },
                ...(number !== undefined && { destinationPort: Number(number) }),
                ...(from === to && { throughService: true }),
              });
              assert.equal(decision.verdict, verdict);
              assert.ok(port.verdict === verdict || port.verdict === 'both', `${edge.id} ${port.name}`);
              all.push(port.verdict);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
    assert.ok(all.includes('allowed') && all.includes('denied'), `${all.length} verdicts`);
    assert.equal(families.length, 2);
  });
});

describe('a change on the map', () => {
  const closed = policy('shop/closed', { podSelector: {}, policyTypes: ['Egress'] });

  it('tells what it cuts and what it opens', () => {
    const atlas = open([seen(web!, api!, 80), seen(probe, api!, 81, { verdict: 'denied' })]);
    const changed = atlas.withChange({ given: [closed], removed: ['NetworkPolicy shop/api'] });
    assert.deepEqual(changed.changes, [
      { object: 'NetworkPolicy shop/api', change: 'deleted' },
      { object: 'NetworkPolicy shop/closed', change: 'created' },
    ]);
    assert.deepEqual(
      changed.map().edges.map(({ from, change, ports }) => [from, change, ports[0]!.after]),
      [
        ['workload shop/pod/web-1', 'cut', 'denied'],
        ['workload ops/pod/probe', 'opened', 'allowed'],
      ],
    );
    const [edge] = changed.map().edges;
    const [pair] = changed.explain(edge!.id, 'TCP/80');
    assert.deepEqual([pair!.decision.verdict, pair!.after!.verdict], ['allowed', 'denied']);
    assert.deepEqual(
      atlas.map().edges.map(({ change }) => change),
      [undefined, undefined],
    );
  });

  it('tells what it cuts of an edge that is allowed and denied, before and after', () => {
    // The two pods of web are one end of the map, and differ by a label that a controller sets.
    const pods = ['1', '2', '3'].map((index) =>
      pod(`shop/shard-${index}`, {
        labels: { app: 'shard', 'apps.kubernetes.io/pod-index': index },
        ips: [`10.244.2.${index}`],
      }),
    );
    const allow = (...indexes: string[]) =>
      policy('shop/shard', {
        podSelector: { matchLabels: { app: 'shard' } },
        ingress: [
          {
            from: [
              {
                podSelector: {
                  matchExpressions: [{ key: 'apps.kubernetes.io/pod-index', operator: 'In', values: indexes }],
                },
              },
            ],
          },
        ],
      });
    const shard: FlowEnd = { kind: 'workload', namespace: 'shop', labels: { app: 'shard' } };
    const atlas = open([seen(shard, shard, 80)], [...pods, allow('1', '2')]);
    const changeOf = (given: JsonObject) => {
      const [edge] = atlas.withChange({ given: [given], removed: [] }).map().edges;
      return [edge!.verdict, edge!.ports[0]!.after, edge!.ports[0]!.change, edge!.change];
    };
    assert.deepEqual(changeOf(allow('1')), ['both', 'both', 'cut', 'cut']);
    assert.deepEqual(changeOf(allow('2', '3')), ['both', 'both', 'both', 'both']);
    assert.deepEqual(changeOf(allow('2', '1')), ['both', 'both', undefined, undefined]);
    // As the edges of a collapsed namespace are joined.
    const [port] = atlas.withChange({ given: [allow('1')], removed: [] }).map().edges[0]!.ports;
    const { change: _, ...same } = port!;
    const opened = { ...same, change: 'opened' } as const;
    assert.deepEqual(
      [
        [same, same],
        [same, port!],
        [opened, port!],
      ].map((ports) => mergePorts(ports)[0]!.change),
      [undefined, 'cut', 'both'],
    );
  });

  it('cuts what a policy in audit denies, once its annotation is taken away', () => {
    const enforced = policy('shop/closed', { podSelector: {}, policyTypes: ['Egress'] });
    const audited = {
      ...enforced,
      metadata: { ...objectAt(enforced, 'metadata'), annotations: { 'postern.dev/mode': 'audit' } },
    };
    const [edge] = open([seen(web!, api!, 80)], [audited])
      .withChange({ given: [enforced], removed: [] })
      .map().edges;
    assert.deepEqual([edge!.verdict, edge!.change], ['allowed', 'cut']);
  });

  it('sets the defaults of the API server, and names what is invalid or refused', () => {
    const atlas = open([seen(web!, api!, 80)]);
    const given = [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'a', namespace: 'nowhere' },
        spec: {},
      },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'b', namespace: 'shop' },
        spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] },
      },
    ];
    const changed = atlas.withChange({ given, removed: [] });
    assert.deepEqual(
      changed.changes.map(({ object, change }) => [object, change]),
      [
        ['NetworkPolicy nowhere/a', 'refused'],
        ['NetworkPolicy shop/b', 'created'],
      ],
    );
    assert.match(changed.issues.join('\n'), /^NetworkPolicy shop\/b: spec\.ingress\[0\]\.from\[0\]\.ipBlock\.cidr: /);
  });

  it('has the verdicts of the changed cluster (property)', () => {
    let [changes, whole] = [0, 0];
    fc.assert(
      fc.property(scenes, fc.nat(), ({ objects: random, seen: traffic }, choice) => {
        const policies = random.filter(({ kind }) => kind === 'NetworkPolicy');
        const away = policies[choice % Math.max(1, policies.length)];
        const deny = policy('x/deny', { podSelector: {} });
        const change = { given: [deny], removed: away ? [keyOf(away)] : [] };
        const before = openAtlas(pageData(random, [history(traffic)]));
        const rest = [...random.filter((each) => each !== away), deny];
        const isThere = random.some(({ kind, metadata }) => kind === 'Namespace' && metadata['name'] === 'x');
        if (!isThere) return;
        const after = openAtlas(pageData(rest, [history(traffic)]));
        // The names of blocks come from the policies, so the pairs behind the edges are compared. Of a port with many pairs, an explanation has twelve.
        const pairs = (atlas: Atlas, of: (pair: ExplainedPair) => string) => {
          const ports = atlas
            .map()
            .edges.flatMap(({ id, ports: all }) =>
              all.map(({ name }) => ({ name, explained: atlas.explain(id, name) })),
            );
          const verdicts = ports.flatMap(({ name, explained }) =>
            explained.map((pair) => [[pair.from, pair.to, pair.family, name].join(' '), of(pair)] as const),
          );
          return { verdicts: new Map(verdicts), isWhole: ports.every(({ explained }) => explained.length < 12) };
        };
        const changed = pairs(before.withChange(change), (pair) => pair.after!.verdict);
        const fresh = pairs(after, (pair) => pair.decision.verdict);
        if (changed.isWhole && fresh.isWhole) {
          whole++;
          assert.deepEqual(changed.verdicts, fresh.verdicts);
        }
        for (const [key, verdict] of changed.verdicts) assert.equal(verdict, fresh.verdicts.get(key) ?? verdict, key);
        const trial = before.withChange(change);
        for (const { id, ports } of trial.map().edges) {
          for (const port of ports) {
            const explained = trial.explain(id, port.name);
            if (explained.length === 12) continue;
            const has = (was: string, is: string): boolean =>
              explained.some((pair) => pair.decision.verdict === was && pair.after!.verdict === is);
            const [isCut, isOpened] = [has('allowed', 'denied'), has('denied', 'allowed')];
            const expected = isCut ? (isOpened ? 'both' : 'cut') : isOpened ? 'opened' : undefined;
            assert.equal(port.change, expected, `${id} ${port.name}`);
          }
        }
        changes += before
          .withChange(change)
          .map()
          .edges.filter((edge) => edge.change).length;
      }),
      { numRuns: 100 },
    );
    assert.ok(changes > 5, `${changes} edges changed`);
    assert.ok(whole > 5, `${whole} scenes compared in whole`);
  });
});

describe('lists beside the map', () => {
  it('groups denials by workload and port, with the reason of now', () => {
    const denied = (minute: number): Partial<Traffic> => ({ verdict: 'denied', minutes: [[minute, 2]] });
    const atlas = open([
      seen(probe, api!, 80, denied(5)),
      seen(probe, api!, 81, denied(9)),
      // By now, the policies allow it.
      seen(web!, api!, 80, denied(3)),
    ]);
    assert.deepEqual(
      atlas
        .denials()
        .map(({ from, to, port, connections, last, reasons }) => [from, to, port, connections, last, reasons.length]),
      [
        ['ops/pod/probe', 'shop/pod/api-1', 'TCP/81', 2, 9, 1],
        ['ops/pod/probe', 'shop/pod/api-1', 'TCP/80', 2, 5, 1],
        ['shop/pod/web-1, pod/web-2', 'shop/pod/api-1', 'TCP/80', 2, 3, 0],
      ],
    );
    assert.match(
      atlas.denials()[1]!.reasons[0]!,
      /isolated for ingress by shop\/api.*; the nearest: rule 1 of policy shop\/api/,
    );
    assert.deepEqual(
      atlas.denials({ minutes: [8, 60] }).map(({ port }) => port),
      ['TCP/81'],
    );
  });

  it('names the rule of tier Admin that denies it, as no NetworkPolicy can allow it then', () => {
    const guard = (tier: string, from: string) =>
      clusterPolicy('guard', {
        ...{ tier, priority: 1, subject: { namespaces: {} } },
        ingress: [
          {
            ...{ name: 'no-ops', action: 'Deny' },
            from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': from } } }],
          },
        ],
      });
    const denied = seen(probe, web!, 80, { verdict: 'denied' });
    const finalDeny = (more: JsonObject) => open([denied], [more]).denials()[0]!.finalDeny;
    assert.equal(finalDeny(guard('Admin', 'ops')), 'ClusterNetworkPolicy guard, rule no-ops');
    assert.equal(finalDeny(guard('Baseline', 'ops')), undefined);
    assert.equal(finalDeny(guard('Admin', 'shop')), undefined);
    assert.equal(finalDeny(policy('shop/closed', { podSelector: {} })), undefined);
  });

  it('has no denial of another time', () => {
    const denied = seen(probe, api!, 80, {
      verdict: 'denied',
      minutes: [
        [5, 1],
        [50, 1],
      ],
    });
    const atlas = open([denied]);
    assert.deepEqual(
      [
        [1, 4],
        [5, 5],
        [10, 40],
        [50, 60],
      ].map((minutes) => atlas.denials({ minutes: minutes as [number, number] }).length),
      [0, 1, 0, 1],
    );
    assert.equal(atlas.map({ minutes: [10, 40] }).edges.length, 0);
  });

  it('suggests what would allow a denial, and it does', () => {
    const atlas = open([seen(web!, api!, 80), seen(probe, api!, 81, { verdict: 'denied' })]);
    const [denial] = atlas.denials();
    const without = atlas.suggest({ nodeIds: [denial!.toId] });
    const { suggestions } = atlas.suggest({ nodeIds: [denial!.toId], denied: denial! });
    assert.deepEqual(
      suggestions.map(({ workloads, replay }) => [workloads, replay.denied]),
      [[['pod/api-1'], []]],
    );
    const openedBy = (given: readonly JsonObject[]): (string | undefined)[] =>
      atlas
        .withChange({ given, removed: [] })
        .map()
        .edges.map(({ change }) => change);
    assert.ok(openedBy(suggestions.map((each) => each.policy)).includes('opened'));
    assert.ok(!openedBy(without.suggestions.map((each) => each.policy)).includes('opened'));
  });

  it('allows one denial without what the policies deny besides, and without isolating more', () => {
    const closed = policy('shop/api', { podSelector: { matchLabels: { app: 'api' } } });
    const atlas = openAtlas(
      pageData(
        [...objects.slice(0, -1), closed],
        [history([seen(web!, api!, 80), seen(probe, api!, 81, { verdict: 'denied' })])],
      ),
    );
    const [denial] = atlas.denials();
    const { suggestions } = atlas.suggest({ nodeIds: [denial!.toId], denied: denial! });
    const changes = atlas.withChange({ given: suggestions.map((each) => each.policy), removed: [] }).map().edges;
    assert.deepEqual(
      changes.map(({ from, change }) => [from, change]),
      [
        ['workload shop/pod/web-1', undefined],
        ['workload ops/pod/probe', 'opened'],
      ],
    );
    assert.deepEqual((suggestions[0]!.policy['spec'] as { policyTypes: string[] }).policyTypes, ['Ingress']);
  });

  it('allows a denied egress connection alone; with DNS if the policy isolates the pods anew', () => {
    const allowOf = (
      isolated: boolean,
    ): { readonly egress: readonly unknown[]; readonly policyTypes: readonly string[] } => {
      const other = policy('shop/web', {
        podSelector: isolated ? { matchLabels: { app: 'web' } } : { matchLabels: { app: 'none' } },
        policyTypes: ['Egress'],
      });
      const defaultDeny = { egress: [{ action: 'Deny', to: [{ namespaces: {} }] }] };
      const atlas = withDns(defaultDeny, other, seen(web!, probe, 9000, { verdict: 'denied' }));
      const [denial] = atlas.denials();
      const { suggestions } = atlas.suggest({ nodeIds: [denial!.fromId], denied: denial! });
      return suggestions[0]!.policy['spec'] as ReturnType<typeof allowOf>;
    };
    const [beside, anew] = [allowOf(true), allowOf(false)];
    assert.deepEqual([beside.policyTypes, beside.egress.length], [['Egress'], 1]);
    assert.deepEqual([anew.policyTypes, anew.egress.length], [['Egress'], 2]);
    assert.match(JSON.stringify(anew.egress), /kube-dns/);
  });

  it('keeps the clients of a DNS server, if what allows a denied one isolates it anew', () => {
    const dns: FlowEnd = { kind: 'workload', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
    const defaultDeny = { ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] };
    const egress = policy('shop/web', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });
    const atlas = withDns(defaultDeny, egress, seen(web!, dns, 9153, { verdict: 'denied' }));
    const [denial] = atlas.denials();
    const { suggestions } = atlas.suggest({ nodeIds: [denial!.toId], denied: denial! });
    const { ingress } = suggestions[0]!.policy['spec'] as { readonly ingress: readonly object[] };
    assert.match(JSON.stringify(ingress), /"port":53/);
  });

  it('does not call a rule unused where connections cannot be judged', () => {
    const gone: FlowEnd = { kind: 'workload', namespace: 'shop', labels: { app: 'old' } };
    const unused = (traffic: readonly Traffic[]): number =>
      open(traffic)
        .coverage()
        .filter(({ kind }) => kind === 'no-match').length;
    assert.deepEqual([unused([]), unused([seen(gone, api!, 80)]), unused([seen(api!, gone, 80)])], [1, 0, 1]);
  });

  it('lists pods that nothing isolates, rules that matched nothing, policies that select nobody, invalid parts and audits', () => {
    const more = [
      policy('shop/nobody', { podSelector: { matchLabels: { app: 'none' } } }),
      policy('ops/broken', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'x' } }] }] }),
      {
        ...policy('shop/watched', { podSelector: {} }),
        metadata: { name: 'watched', namespace: 'shop', annotations: { 'postern.dev/mode': 'audit' } },
      },
    ];
    const coverage = (traffic: readonly Traffic[]): string[] =>
      open(traffic, more)
        .coverage()
        .map(({ kind, subject, nodeIds }) => `${kind} ${subject}${nodeIds.length > 0 ? ` (${nodeIds.join()})` : ''}`);
    const always = [
      'invalid NetworkPolicy ops/broken',
      'selects-no-pod NetworkPolicy shop/nobody',
      'audit NetworkPolicy shop/watched',
      'not-isolated ops/pod/probe (workload ops/pod/probe)',
      'not-isolated shop/pod/api-1 (workload shop/pod/api-1)',
      'not-isolated shop/pod/web-1, pod/web-2 (workload shop/pod/web-1)',
      'not-isolated shop/pod/web-1, pod/web-2 (workload shop/pod/web-1)',
    ];
    assert.deepEqual(coverage([seen(web!, api!, 80)]), always);
    const badges = (traffic: readonly Traffic[]): string[] => {
      const { nodes, idlePolicies } = open(traffic, more).map();
      assert.deepEqual([...idlePolicies], [['shop', 1]]);
      return nodes.flatMap((each) =>
        each.badges.flatMap(({ kind, text }) => (kind === 'no-match' ? [`${each.id}: ${text}`] : [])),
      );
    };
    assert.deepEqual(badges([seen(web!, api!, 80)]), []);
    assert.deepEqual(badges([seen(web!, api!, 81)]), [
      'workload shop/pod/api-1: NetworkPolicy shop/api: Rule 1 (spec.ingress[0]) matched no connection in the last 60 minutes.',
    ]);
    assert.deepEqual(
      coverage([]).filter((each) => !always.includes(each)),
      ['no-match NetworkPolicy shop/api (workload shop/pod/api-1)'],
    );
  });
});
