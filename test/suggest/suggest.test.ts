import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';
import type { Traffic } from '../../src/flows/traffic.ts';
import { replay, replayTogether } from '../../src/suggest/replay.ts';
import { Scene } from '../../src/suggest/scene.ts';
import { suggest, type Suggestion } from '../../src/suggest/suggest.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const http = [{ name: 'http', containerPort: 8080 }];
const cluster = [
  ...['shop', 'ops', 'kube-system'].map((name) => namespace(name)),
  { ...node('n1', '192.0.2.1', '2001:db8::1'), spec: { podCIDRs: ['10.244.1.0/24'] } },
  pod('shop/web-1', { labels: { app: 'web' }, ips: ['10.244.1.2'], ports: http }),
  pod('shop/api-1', { labels: { app: 'api' }, ips: ['10.244.1.3'], ports: [{ name: 'api', containerPort: 9000 }] }),
  pod('ops/probe', { labels: { app: 'probe' }, ips: ['10.244.1.4'] }),
];
const dnsPods = pod('kube-system/coredns', { labels: { 'k8s-app': 'kube-dns' }, ips: ['10.244.1.5'] });
const workload = (home: string, app: string): FlowEnd => ({ kind: 'workload', namespace: home, labels: { app } });
const block = (cidr: string): FlowEnd => ({ kind: 'block', cidr });
const [web, api, probe] = [workload('shop', 'web'), workload('shop', 'api'), workload('ops', 'probe')];
const seen = (from: FlowEnd, to: FlowEnd, port: Traffic['port'], more: Partial<Traffic> = {}): Traffic => ({
  ...{ from, to, protocol: 'TCP', ...(port !== undefined && { port }), verdict: 'allowed' },
  ...{ connections: 1, first: 1, last: 1, minutes: [] },
  ...more,
});

interface Spec {
  readonly podSelector: object;
  readonly ingress: readonly { readonly from: readonly object[]; readonly ports: readonly object[] }[];
  readonly egress: readonly { readonly to: readonly object[]; readonly ports: readonly object[] }[];
}

function suggestFor(name: string, traffic: readonly Traffic[], objects: readonly ApiObject[] = cluster, more = {}) {
  const choice = { includeDenied: false, includeUnanswered: false, ...more };
  const { suggestions, notes } = suggest(objects, traffic, { isWanted: (each) => each.name === name, ...choice });
  const [suggestion] = suggestions;
  return { suggestion, spec: suggestion?.policy['spec'] as Spec | undefined, notes, count: suggestions.length };
}
/** So that a workload gets a policy. */
const client = seen(probe, web, 8080);
const toApi = seen(web, api, 9000);
const leftOut = (suggestion: Suggestion | undefined) => suggestion?.leftOut.map(({ whyNot }) => whyNot);

describe('suggestions', () => {
  it('name peers by namespace and labels, and ports as the pods that are reached do', () => {
    const traffic = [seen(web, api, 9000), seen(probe, web, 8080), seen(api, web, 8080), seen(web, probe, 7000)];
    const { spec, suggestion } = suggestFor('pod/web-1', traffic);
    deepEqual(spec, {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { app: 'api' } } },
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } },
              podSelector: { matchLabels: { app: 'probe' } },
            },
          ],
          ports: [{ port: 'http', protocol: 'TCP' }],
        },
      ],
      egress: [
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } },
              podSelector: { matchLabels: { app: 'probe' } },
            },
          ],
          ports: [{ port: 7000, protocol: 'TCP' }],
        },
        { to: [{ podSelector: { matchLabels: { app: 'api' } } }], ports: [{ port: 'api', protocol: 'TCP' }] },
      ],
    });
    deepEqual(suggestion?.replay, { flows: 4, denied: [] });
  });

  it('deny a flow in the replay if the policy does not allow it', () => {
    const { suggestion } = suggestFor('pod/web-1', [seen(web, api, 9000)]);
    const others = [seen(web, api, 9001), seen(web, probe, 9000), seen(web, block('203.0.113.1/32'), 9000)];
    for (const each of others)
      equal(replay(new Scene(cluster), suggestion!.policy, [{ direction: 'egress', seen: each }]).length, 1);
    // A policy that does not isolate allows nothing that it could be praised for.
    const spec = { podSelector: { matchLabels: { app: 'api' } } };
    equal(
      replay(new Scene(cluster), policy('shop/x', spec), [{ direction: 'egress', seen: seen(web, api, 9000) }]).length,
      1,
    );
  });

  it('keep the number of a port that pods name differently, and of pods that have gone', () => {
    const second = pod('shop/web-2', {
      labels: { app: 'web' },
      ips: ['10.244.1.9'],
      ports: [{ name: 'www', containerPort: 8080 }],
    });
    const gone = workload('shop', 'gone');
    const { spec } = suggestFor('pod/web-1', [seen(api, web, 8080), seen(web, gone, 8080)], [...cluster, second]);
    deepEqual(spec?.ingress[0]?.ports, [{ port: 8080, protocol: 'TCP' }]);
    deepEqual(spec?.egress[0], {
      to: [{ podSelector: { matchLabels: { app: 'gone' } } }],
      ports: [{ port: 8080, protocol: 'TCP' }],
    });
  });

  it('write runs of ports as ranges', () => {
    const traffic = [30, 31, 32, 33, 40, 41, 50].map((port) => seen(web, probe, port));
    deepEqual(suggestFor('pod/web-1', traffic).spec?.egress[0]?.ports, [
      { port: 30, endPort: 33, protocol: 'TCP' },
      ...[40, 41, 50].map((port) => ({ port, protocol: 'TCP' })),
    ]);
  });

  describe('keep DNS', () => {
    const rule = (to: readonly object[]) => ({
      to,
      ports: [
        { port: 53, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
      ],
    });
    const inSystem = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } };
    const ofLabels = { ...inSystem, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } };
    const cases: readonly (readonly [what: string, pods: readonly ApiObject[], to: readonly object[]])[] = [
      ['of pods, by their label', [dnsPods], [ofLabels]],
      [
        'of sockets of nodes, by address',
        [pod('kube-system/dns', { labels: { 'k8s-app': 'kube-dns' }, hostNetwork: true })],
        [{ ipBlock: { cidr: '192.0.2.1/32' } }, { ipBlock: { cidr: '2001:db8::1/128' } }],
      ],
      [
        'of each node, beside that of pods',
        [dnsPods, pod('kube-system/local', { labels: { 'k8s-app': 'node-local-dns' }, hostNetwork: true })],
        [ofLabels, { ipBlock: { cidr: '169.254.20.10/32' } }],
      ],
    ];
    for (const [what, pods, to] of cases) {
      it(what, () => {
        const { spec, suggestion, notes } = suggestFor('pod/web-1', [client], [...cluster, ...pods]);
        deepEqual([spec?.egress, spec?.ingress.length, suggestion?.replay.denied, notes], [[rule(to)], 1, [], []]);
        ok(suggestion!.replay.flows >= 3);
      });
    }

    it('of each node at the address that its arguments name', () => {
      const local = pod('kube-system/local', { labels: { 'k8s-app': 'node-local-dns' }, hostNetwork: true });
      const args = {
        ...local,
        spec: { ...(local['spec'] as object), containers: [{ args: ['-localip', '169.254.25.10,fd00::a', '-x'] }] },
      };
      const { spec } = suggestFor('pod/web-1', [client], [...cluster, args]);
      deepEqual(spec?.egress, [
        rule([{ ipBlock: { cidr: '169.254.25.10/32' } }, { ipBlock: { cidr: 'fd00::a/128' } }]),
      ]);
    });

    it('once, where it was seen too', () => {
      const dns: FlowEnd = { kind: 'workload', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
      const { spec } = suggestFor('pod/web-1', [seen(web, dns, 53, { protocol: 'UDP' })], [...cluster, dnsPods]);
      deepEqual(spec?.egress, [rule([ofLabels])]);
    });

    it('and say so where the cluster has no DNS server that is known', () =>
      match(suggestFor('pod/web-1', []).notes.join('\n'), /no DNS server with the label k8s-app=kube-dns/));
  });

  describe('of what is outside', () => {
    const clients = (count: number, prefix = '203.0.113', port = 443): Traffic[] =>
      Array.from({ length: count }, (_, index) => seen(block(`${prefix}.${index * 3}/32`), web, port));
    const blocksOf = (traffic: readonly Traffic[]) =>
      suggestFor('pod/web-1', traffic).spec?.ingress.map(({ from }) =>
        (from as { ipBlock: { cidr: string } }[]).map(({ ipBlock }) => ipBlock.cidr),
      );

    it('allow single addresses, and from eight on one port their /24', () => {
      equal(blocksOf(clients(7))?.[0]?.length, 7);
      deepEqual(blocksOf(clients(8)), [['203.0.113.0/24']]);
      const far = Array.from({ length: 8 }, (_, index) => seen(block(`2001:db8:5::${index + 1}/128`), web, 443));
      deepEqual(blocksOf(far), [['2001:db8:5::/64']]);
    });

    it('come with a note if many were clients: the next one would be denied', () => {
      const note = (count: number) =>
        suggestFor('pod/web-1', clients(count)).suggestion?.notes.filter((each) => each.includes('0.0.0.0/0'));
      deepEqual(note(3), []);
      equal(note(4)?.length, 1);
      match(
        note(9)![0]!,
        /^9 addresses outside opened connections to it, and this policy denies all others: if anyone may/,
      );
    });

    it('never join addresses where a user sees a part of the cluster: pods may be between them', () => {
      const { spec } = suggestFor('pod/web-1', clients(8), cluster, { shows: 'part' });
      equal(spec?.ingress.flatMap(({ from }) => from).length, 8);
    });

    it('never join addresses of different ports or of different blocks', () => {
      const mixed = clients(8).map((each, index) => ({ ...each, port: index % 2 === 0 ? 80 : 443 }));
      equal(blocksOf(mixed)?.flat().length, 8);
      equal(blocksOf([...clients(5), ...clients(5, '203.0.114')])?.flat().length, 10);
    });

    it('never join addresses around one of a pod or of a node, or in a pod range', () => {
      const { length } = blocksOf(
        clients(8, '192.0.2').filter(({ from }) => from.kind === 'block' && from.cidr !== '192.0.2.1/32'),
      )!.flat();
      equal(length, 8);
      const stray = [seen(block('10.244.1.77/32'), web, 443), seen(block('10.244.0.0/16'), web, 443)];
      const { suggestion, spec } = suggestFor('pod/web-1', stray);
      deepEqual([spec?.ingress, leftOut(suggestion)], [[], ['of-the-cluster', 'of-the-cluster']]);
    });

    it('allow the addresses of a node, and those of its tunnel and its bridge in its pod range', () => {
      const traffic = [
        seen({ kind: 'node', name: 'n1' }, web, 443),
        seen(block('10.244.1.0/32'), web, 443),
        seen(block('10.244.1.1/32'), web, 443),
      ];
      deepEqual(blocksOf(traffic), [['10.244.1.0/32', '10.244.1.1/32', '192.0.2.1/32', '2001:db8::1/128']]);
      // What its own node sends needs no rule.
      deepEqual(blocksOf([seen({ kind: 'own-node' }, web, 443), seen(web, api, 9000)]), []);
    });
  });

  it('leave out what no rule can name, with the reason', () => {
    const traffic = [
      seen(web, api, undefined, { protocol: 'ICMP' }),
      seen(web, api, 'other'),
      seen(web, { kind: 'others' }, 80),
      seen(web, { kind: 'node', name: 'unknown' }, 80),
    ];
    const { suggestion, spec } = suggestFor('pod/web-1', traffic);
    deepEqual(leftOut(suggestion), ['no-ports', 'other-ports', 'other-ends', 'other-ends']);
    deepEqual(spec?.egress, []);
  });

  it('leave out TCP that was never established, and allow UDP, whose client may want no answer', () => {
    const traffic = [
      seen(web, api, 9000, { verdict: 'unanswered' }),
      seen(web, api, 514, { verdict: 'unanswered', protocol: 'UDP' }),
    ];
    const { suggestion, spec } = suggestFor('pod/web-1', traffic);
    deepEqual([leftOut(suggestion), spec?.egress[0]?.ports], [['unanswered'], [{ port: 514, protocol: 'UDP' }]]);
    const all = suggestFor('pod/web-1', traffic, cluster, { includeUnanswered: true });
    deepEqual([leftOut(all.suggestion), all.spec?.egress[0]?.ports.length], [[], 2]);
    // Answered once, it counts.
    deepEqual(leftOut(suggestFor('pod/web-1', [...traffic, seen(web, api, 9000)]).suggestion), []);
  });

  it('leave out what was denied, and what the present policies deny although it is still tracked', () => {
    const denied = [
      seen(probe, web, 8080, { verdict: 'denied' }),
      seen(probe, web, 8080, { verdict: 'unanswered' }),
      seen(web, api, 9000),
    ];
    const { suggestion, spec } = suggestFor('pod/web-1', denied);
    deepEqual([leftOut(suggestion), spec?.ingress], [['denied'], []]);
    const all = suggestFor('pod/web-1', denied, cluster, { includeDenied: true });
    deepEqual([leftOut(all.suggestion), all.spec?.ingress.length, all.suggestion?.replay.denied], [[], 1, []]);
    const now = policy('shop/none', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] });
    deepEqual(leftOut(suggestFor('pod/web-1', [seen(probe, web, 8080)], [...cluster, now]).suggestion), ['denied']);
    const { suggestion: cut } = suggestFor('pod/web-1', [seen(probe, web, 8080), toApi], [...cluster, now]);
    deepEqual(cut?.notes, ['1 flow had answers, and the current policies deny it: this policy does not allow it']);
    // Denied before, and allowed since: it was seen again.
    deepEqual(leftOut(suggestFor('pod/web-1', [...denied, seen(probe, web, 8080)]).suggestion), []);
  });

  it('do not judge a block by one of its addresses', () => {
    const except = { from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.0/32'] } }] };
    const now = policy('shop/outside', { podSelector: { matchLabels: { app: 'web' } }, ingress: [except] });
    const from = (cidr: string) =>
      leftOut(suggestFor('pod/web-1', [seen(block(cidr), web, 8080), toApi], [...cluster, now]).suggestion);
    deepEqual(from('203.0.113.0/32'), ['denied']);
    deepEqual(from('203.0.113.0/24'), []);
  });

  it('allow DNS where a user may not see it, and say so', () => {
    const own = cluster.filter(({ metadata }) => metadata.namespace === 'shop' || metadata.name === 'shop');
    const { spec, notes } = suggestFor('pod/web-1', [toApi], own, { shows: 'part' });
    const dns = suggestFor('pod/web-1', [toApi], [...cluster, dnsPods]);
    deepEqual([spec?.egress, dns.notes], [dns.spec?.egress, []]);
    equal(notes.length, 1);
    match(
      notes[0]!,
      /^you may not list the pods of kube-system: the policies allow DNS to those with the label k8s-app=kube-dns/,
    );
    // Who sees the whole cluster sees that there is none.
    match(suggestFor('pod/web-1', [toApi], own).notes[0]!, /^no DNS server with the label/);
  });

  it('are one for workloads that no label tells apart, and allow what all of them need', () => {
    const twin = pod('shop/twin', { labels: { app: 'web' }, ips: ['10.244.1.8'] });
    const wanted = {
      isWanted: ({ namespace: home }: { namespace: string }) => home === 'shop',
      includeDenied: false,
      includeUnanswered: false,
    };
    const canary = pod('shop/canary', { labels: { app: 'web', track: 'canary' }, ips: ['10.244.1.10'] });
    const ofCanary: FlowEnd = { kind: 'workload', namespace: 'shop', labels: { app: 'web', track: 'canary' } };
    const { suggestions } = suggest([...cluster, twin, canary], [seen(ofCanary, api, 9000)], wanted);
    deepEqual(
      suggestions.map(({ workloads }) => workloads),
      [['pod/api-1'], ['pod/canary'], ['pod/canary', 'pod/twin', 'pod/web-1']],
    );
    // The labels of the last one select the canary too.
    for (const { policy: each } of suggestions.slice(1)) equal((each['spec'] as Spec).egress.length, 1);
  });

  it('are none for a pod without labels among others, and one for it if it is alone', () => {
    const bare = pod('shop/bare', { ips: ['10.244.1.9'] });
    const among = suggestFor('pod/bare', [], [...cluster, bare]);
    deepEqual(among.count, 0);
    match(among.notes.join('\n'), /shop\/pod\/bare has no label of its own/);
    const alone = suggestFor(
      'pod/alone',
      [seen({ kind: 'workload', namespace: 'solo', labels: {} }, api, 9000)],
      [...cluster, pod('solo/alone', { ips: ['10.244.1.9'] })],
    );
    deepEqual(alone.spec?.podSelector, {});
  });

  it('tell of a peer that its labels do not tell apart', () => {
    const bare = pod('ops/bare', { ips: ['10.244.1.9'] });
    const { suggestion, spec } = suggestFor(
      'pod/web-1',
      [seen({ kind: 'workload', namespace: 'ops', labels: {} }, web, 8080)],
      [...cluster, bare],
    );
    match(JSON.stringify(spec?.ingress[0]?.from), /"podSelector":\{\}/);
    match(
      suggestion!.notes.join('\n'),
      /of namespace ops apart, so a rule selects all of them: pod\/probe, pod\/bare|pod\/bare, pod\/probe/,
    );
  });

  it('let everyone ask the DNS servers, also those that did not ask in the last hour', () => {
    const dns: FlowEnd = { kind: 'workload', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
    const objects = [...cluster, dnsPods];
    const traffic = [seen(web, dns, 53, { protocol: 'UDP' }), seen(probe, dns, 9153)];
    const all = { isWanted: () => true, includeDenied: false, includeUnanswered: false };
    const { suggestions } = suggest(objects, traffic, all);
    const ofDns = suggestions.find((each) => each.namespace === 'kube-system')!;
    const { ingress } = ofDns.policy['spec'] as Spec;
    deepEqual(ingress[1], {
      ports: [
        { port: 53, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
      ],
    });
    deepEqual([ingress.length, ingress[0]?.from.length], [2, 1]);
    const after = prepareCluster([...objects, ...suggestions.map((each) => each.policy)]);
    const ask = { destination: { pod: 'kube-system/coredns' }, family: 'ipv4', destinationPort: 53 } as const;
    for (const source of [{ pod: 'shop/api-1' }, { node: 'n1' }, { address: '203.0.113.1' }]) {
      for (const protocol of ['UDP', 'TCP'] as const)
        equal(evaluate(after, { ...ask, source, protocol }).verdict, 'allowed', JSON.stringify(source));
    }
    // Positive control: the policy isolates the servers.
    const other = { ...ask, source: { pod: 'shop/api-1' }, protocol: 'TCP', destinationPort: 9153 } as const;
    equal(evaluate(after, other).verdict, 'denied');
  });

  it('are replayed together, on both ends', () => {
    const scene = new Scene(cluster);
    const { suggestion } = suggestFor('pod/web-1', [seen(web, api, 9000)]);
    const flows = [{ direction: 'egress', seen: seen(web, api, 9000) }] as const;
    const closed = policy('shop/api', { podSelector: { matchLabels: { app: 'api' } }, policyTypes: ['Ingress'] });
    deepEqual(replayTogether(scene, [suggestion!.policy], flows), []);
    deepEqual(replayTogether(scene, [suggestion!.policy, closed], flows), flows);
  });

  it('are none for a workload of which nothing was answered, and a note says so', () => {
    const scan = [
      seen(probe, web, 22, { verdict: 'unanswered' }),
      seen(probe, web, 23, { verdict: 'denied' }),
      seen(probe, web, 24, { verdict: 'unanswered', protocol: 'UDP' }),
    ];
    for (const [traffic, what] of [
      [[], /shop\/pod\/web-1: no connection was seen in 7 minutes: no policy is suggested/],
      [scan, /shop\/pod\/web-1: no connection was answered in 7 minutes: no policy is suggested/],
    ] as const) {
      const { count, notes } = suggestFor('pod/web-1', traffic, cluster, { minutes: 7 });
      equal(count, 0);
      match(notes.join('\n'), what);
    }
  });

  it('are none for a workload whose nodes told nothing, and incomplete if some did', () => {
    const second = pod('shop/web-2', { labels: { app: 'web' }, ips: ['10.244.2.9'], node: 'n2' });
    const first = pod('shop/web-1', { labels: { app: 'web' }, ips: ['10.244.1.2'], node: 'n1' });
    const objects = [...cluster.filter((each) => each.metadata.name !== 'web-1'), first, second];
    const told = (...names: string[]) => suggestFor('pod/web-1', [client], objects, { answeredNodes: new Set(names) });
    deepEqual(told('n1', 'n2').suggestion?.notes, []);
    match(told('n1').suggestion!.notes.join('\n'), /^INCOMPLETE: no agent has told what it saw of 1 pod, on n2$/);
    deepEqual(told().count, 0);
    match(told().notes.join('\n'), /no agent has told what it saw \(n1, n2\): no policy is suggested/);
  });

  it('allow no pods of a peer that has gone and had no labels', () => {
    const bare: FlowEnd = { kind: 'workload', namespace: 'ops', labels: {} };
    const { suggestion, spec } = suggestFor('pod/web-1', [seen(bare, web, 8080), seen(web, bare, 80)]);
    deepEqual([leftOut(suggestion), spec?.ingress, spec?.egress], [['gone', 'gone'], [], []]);
  });

  it('leave out UDP into a workload that was not answered', () => {
    const udp = seen(probe, web, 514, { verdict: 'unanswered', protocol: 'UDP' });
    const { suggestion, spec } = suggestFor('pod/web-1', [udp, seen(web, api, 9000)]);
    deepEqual([leftOut(suggestion), spec?.ingress], [['unanswered'], []]);
    const all = suggestFor('pod/web-1', [udp], cluster, { includeUnanswered: true });
    deepEqual([leftOut(all.suggestion), all.spec?.ingress.length], [[], 1]);
    // What one end leaves out is no failure of the policy of the other end.
    const both = { isWanted: () => true, includeDenied: false, includeUnanswered: false };
    const { suggestions } = suggest(cluster, [udp, seen(web, api, 9000)], both);
    deepEqual(
      suggestions.map(({ replay: { denied } }) => denied.length),
      [0, 0, 0],
    );
  });

  it('say loudly that answered connections are left out', () => {
    const { suggestion } = suggestFor('pod/web-1', [
      seen(web, api, 'other'),
      seen({ kind: 'others' }, web, 80),
      client,
    ]);
    match(suggestion!.notes.join('\n'), /^INCOMPLETE: no rule can name the ends or ports of 2 answered flows: /);
    const scan = seen({ kind: 'others' }, web, 80, { verdict: 'unanswered' });
    deepEqual(suggestFor('pod/web-1', [scan, client]).suggestion?.notes, []);
  });

  it('take a name that no policy has', () => {
    const names = (...taken: string[]) =>
      suggestFor(
        'pod/web-1',
        [client],
        [...cluster, ...taken.map((name) => policy(name, { podSelector: {}, ingress: [{}] }))],
      ).suggestion?.policy['metadata'];
    deepEqual(names(), { name: 'web-1', namespace: 'shop' });
    deepEqual(names('shop/web-1'), { name: 'web-1-seen', namespace: 'shop' });
    deepEqual(names('shop/web-1', 'shop/web-1-seen', 'ops/web-1-seen-2'), { name: 'web-1-seen-2', namespace: 'shop' });
  });
});
