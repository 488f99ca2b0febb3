import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { EdgePort, MapEdge, MapNode, PolicyMap } from '../../src/map/policy-map.ts';
import { seeMap } from '../../src/map/see-map.ts';
import { hashToView, viewToHash, wholeView, type View } from '../../src/map/view.ts';

const workload = (namespace: string, name: string): MapNode => ({
  ...{ id: `workload ${namespace}/${name}`, kind: 'workload', namespace, label: name, pods: 2 },
  badges: [{ kind: 'no-egress-isolation', text: 'Open.' }],
});
const port = (name: string, verdict: EdgePort['verdict'], seen: EdgePort['seen']): EdgePort => ({
  ...{ name, seen, first: 1, last: 2, verdict, traffic: [] },
});
const edge = (from: MapNode, to: MapNode, ...ports: readonly EdgePort[]): MapEdge => {
  const connections = ports.reduce((sum, { seen }) => sum + (seen.allowed ?? 0) + (seen.denied ?? 0), 0);
  const verdict = ports.some((each) => each.verdict === 'denied') ? 'denied' : 'allowed';
  return { id: `${from.id} → ${to.id}`, from: from.id, to: to.id, ports, connections, verdict };
};

const [web, api, db, probe] = [
  workload('shop', 'web'),
  workload('shop', 'api'),
  workload('data', 'db'),
  workload('ops', 'probe'),
];
const internet: MapNode = { id: 'internet', kind: 'internet', label: 'Internet', pods: 0, badges: [] };
const map: PolicyMap = {
  nodes: [web, api, db, probe, internet],
  edges: [
    edge(web, api, port('TCP/80', 'allowed', { allowed: 3 })),
    edge(web, db, port('TCP/5432', 'denied', { denied: 2 })),
    edge(api, db, port('TCP/5432', 'allowed', { allowed: 5 }), port('UDP/53', 'allowed', { allowed: 1 })),
    edge(internet, web, port('TCP/443', 'allowed', { allowed: 9 })),
  ],
  ...{ idlePolicies: new Map(), firstMinute: 1, lastMinute: 60 },
};
const see = (view: Partial<View>) => {
  const { boxes, nodes, edges, tooLarge } = seeMap(map, { ...wholeView, ...view });
  return { boxes, nodes: nodes.map(({ id }) => id), edges: edges.map(({ id }) => id), tooLarge, seen: edges };
};

describe('what of the map is drawn', () => {
  it('is all of it at first', () => {
    const { boxes, nodes, edges, tooLarge } = see({});
    assert.deepEqual(boxes, ['data', 'ops', 'shop']);
    assert.deepEqual([nodes.length, edges.length, tooLarge], [5, 4, []]);
  });

  it('joins the edges of a collapsed namespace, port by port', () => {
    const { boxes, nodes, seen } = see({ collapsed: ['shop'] });
    assert.deepEqual(boxes, ['data', 'ops']);
    assert.deepEqual(nodes, ['namespace shop', db.id, probe.id, 'internet']);
    const [toDb] = seen;
    assert.deepEqual(
      [toDb!.id, toDb!.connections, toDb!.verdict, toDb!.ports.map((each) => [each.name, each.seen, each.verdict])],
      [
        `namespace shop → ${db.id}`,
        8,
        'both',
        [
          ['TCP/5432', { allowed: 5, denied: 2 }, 'both'],
          ['UDP/53', { allowed: 1 }, 'allowed'],
        ],
      ],
    );
    const shop = seeMap(map, { ...wholeView, collapsed: ['shop'] }).nodes[0]!;
    assert.deepEqual([shop.pods, shop.badges[0]!.text], [4, '2 of 2 workloads: no egress isolation.']);
  });

  it('shows chosen namespaces, with the others that they talk to as one node each', () => {
    const { nodes, edges } = see({ namespaces: ['data'] });
    assert.deepEqual(nodes, ['namespace shop', db.id]);
    assert.deepEqual(edges, [`namespace shop → ${db.id}`]);
  });

  it('leaves hidden nodes out, with their edges', () => {
    const { nodes, edges } = see({ hidden: [web.id] });
    assert.deepEqual([nodes.includes(web.id), edges], [false, [`${api.id} → ${db.id}`]]);
  });

  it('finds names and ports, with what they are linked to', () => {
    assert.deepEqual(see({ search: 'PROBE' }).nodes, [probe.id]);
    assert.deepEqual(see({ search: '5432' }).edges, [`${web.id} → ${db.id}`, `${api.id} → ${db.id}`]);
    assert.deepEqual(see({ search: 'shop/web 443' }).nodes, [web.id, 'internet']);
    assert.deepEqual(see({ search: 'nothing of this' }).nodes, []);
  });

  it('shows only denials', () => {
    const { nodes, edges } = see({ onlyDenied: true });
    assert.deepEqual([nodes, edges], [[web.id, db.id], [`${web.id} → ${db.id}`]]);
  });

  it('collapses the largest namespaces until people can read the rest', () => {
    const nodes = Array.from({ length: 1500 }, (_, index) =>
      workload(index < 600 ? 'huge' : `ns${index % 30}`, `w${index}`),
    );
    const large: PolicyMap = { nodes, edges: [], idlePolicies: new Map(), firstMinute: 0, lastMinute: 0 };
    const whole = seeMap(large, wholeView);
    assert.ok(whole.nodes.length <= 150, `${whole.nodes.length} nodes`);
    assert.equal(
      whole.nodes.reduce((sum, { pods }) => sum + pods, 0),
      3000,
    );
    const [some] = whole.boxes;
    assert.ok(some === undefined || !whole.tooLarge.includes(some));
    // A user who chooses a namespace sees it.
    assert.equal(seeMap(large, { ...wholeView, namespaces: ['huge'] }).nodes.length, 600);
  });
});

describe('the view in a URL', () => {
  it('comes back as it was (property)', () => {
    const names = fc.uniqueArray(fc.string(), { maxLength: 3 }).map((all) => all.sort((a, b) => (a < b ? -1 : 1)));
    const views = fc.record({
      ...{ tab: fc.constantFrom('map', 'denials', 'coverage', 'change', 'suggest'), onlyDenied: fc.boolean() },
      ...{ namespaces: names, collapsed: names, hidden: names, search: fc.string() },
    });
    fc.assert(
      fc.property(
        views,
        fc.option(fc.string()),
        fc.boolean(),
        fc.option(fc.nat()),
        (view, selected, hasMinutes, split) => {
          const whole = {
            ...view,
            ...(hasMinutes && { minutes: [10, 20] as const }),
            ...(split !== null && { split: split % 1e9 }),
            ...(selected !== null && { selected }),
          } as View;
          assert.deepEqual(hashToView(viewToHash(whole)), whole);
        },
      ),
    );
    assert.equal(viewToHash(wholeView), '');
  });

  it('takes any text', () => {
    fc.assert(fc.property(fc.string(), (text) => void hashToView(text)));
    assert.deepEqual(hashToView('#tab=nothing&t=20-10&denied=yes&t&split=-1'), wholeView);
  });
});
