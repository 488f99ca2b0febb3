import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';

/** Each group of its own, of all pods of the policy's namespace. */
const selecting = (name: string, groups: number): ApiObject =>
  policy(name, {
    podSelector: {},
    ingress: [
      {
        from: Array.from({ length: groups }, (_, index) => ({
          podSelector: { matchExpressions: [{ key: `${name}-${index}`, operator: 'DoesNotExist' }] },
        })),
      },
    ],
  });
const base = [
  namespace('x'),
  namespace('y'),
  pod('x/a', { ips: ['10.1.0.1'] }),
  pod('y/a', { ips: ['10.1.1.1'] }),
  ...Array.from({ length: 98 }, (_, index) =>
    pod(`x/p${index}`, { node: 'n2', ips: [`10.2.0.${index}`], labels: { app: 'p' } }),
  ),
];

function startIndexer(objects: readonly ApiObject[], namespace: number, node = Infinity): Indexer {
  const indexer = new Indexer('n1', undefined, { namespace, node });
  for (const object of objects) indexer.receive(upsertOf(object));
  for (const event of syncedEvents()) indexer.receive(event);
  return indexer;
}

const describeState = ({ policies, groups, leftOut }: Snapshot): unknown => ({
  policies: [...policies.values()].map(({ id, rules }) => `${id} ${rules.ingress.length}`).sort(),
  groups: [...groups.values()].map(({ id, members }) => `${id} ${members.size}`).sort(),
  leftOut: [...leftOut!.keys()].sort(),
});

describe('whose groups are filled (S9.13)', () => {
  const small = selecting('x/small', 2);
  const large = selecting('x/large', 6);
  const other = selecting('y/other', 9);

  it('over the budget of a namespace its policies with the most groups are left out, in whatever order they come', () => {
    const all = [...base, small, large, other];
    const indexer = startIndexer(all, 600);
    const { policies, groups, leftOut } = indexer.snapshot();
    assert.deepEqual([...leftOut!], [['x/large', { groups: 6, budget: 600 }]]);
    assert.equal(groups.size, 2 + 9);
    // It isolates all the same.
    assert.deepEqual([...policies.get('x/large')!.isolates], ['ingress']);
    assert.deepEqual(policies.get('x/large')!.rules, { ingress: [], egress: [] });
    for (const order of [all.toReversed(), [large, other, small, ...base]]) {
      const again = startIndexer(order, 600);
      assert.deepEqual(describeState(again.snapshot()), describeState(indexer.snapshot()));
      assert.equal(again.size, indexer.size);
    }
  });

  it('looks at no pod for what is left out', () => {
    const indexer = startIndexer([...base, small], 600);
    const before = indexer.visits.pods;
    for (let index = 0; index < 50; index++) indexer.receive(upsertOf(selecting(`x/more-${index}`, 1000)));
    assert.equal(indexer.snapshot().leftOut!.size, 50);
    // One local pod for each, and that is all.
    assert.ok(indexer.visits.pods - before <= 200, `${indexer.visits.pods - before} pods`);
  });

  it('they are back when there is room for them', () => {
    const indexer = startIndexer([...base, small, large], 700);
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/large']);
    indexer.receive(removeOf(small));
    const { leftOut, groups } = indexer.snapshot();
    assert.equal(leftOut!.size, 0);
    assert.deepEqual(
      [...groups.values()].map(({ members }) => members.size),
      Array.from({ length: 6 }, () => 99),
    );
    const { revision } = indexer.snapshot();
    assert.equal(indexer.snapshot().revision, revision);
  });

  it('a group that several namespaces name counts once for the node, and for each of them', () => {
    const everywhere = (name: string): ApiObject =>
      policy(name, { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] });
    const all = [...base, everywhere('x/all'), everywhere('y/all')];
    assert.equal(startIndexer(all, 600, 110).snapshot().leftOut!.size, 0);
    assert.deepEqual([...startIndexer(all, 90).snapshot().leftOut!.keys()], ['x/all', 'y/all']);
  });

  it('over the budget of the node the largest namespaces lose their largest policies, in whatever order they come', () => {
    // Each of these costs about 100 for each group, and `y` has one pod.
    const all = [...base, small, large, other];
    const first = startIndexer(all, 2000, 300);
    // `y` takes what it needs, and leaves the rest.
    const { leftOut, policies, groups } = first.snapshot();
    assert.deepEqual(
      [...leftOut!].map(([id, { groups: count, budget }]) => [id, count, budget > 200 && budget < 300]),
      [['x/large', 6, true]],
    );
    assert.equal(groups.size, 2 + 9);
    assert.deepEqual(policies.get('x/large')!.rules, { ingress: [], egress: [] });
    for (const order of [all.toReversed(), [large, other, small, ...base], [other, large, ...base, small]]) {
      const again = startIndexer(order, 2000, 300);
      assert.deepEqual(describeState(again.snapshot()), describeState(first.snapshot()));
      assert.equal(again.size, first.size);
    }
  });

  it('those that the node had no room for are back when others leave it', () => {
    const rival = policy('y/rival', {
      podSelector: {},
      ingress: [
        {
          from: Array.from({ length: 3 }, (_, index) => ({
            namespaceSelector: {},
            podSelector: { matchExpressions: [{ key: `rival-${index}`, operator: 'DoesNotExist' }] },
          })),
        },
      ],
    });
    const indexer = startIndexer([...base, small, large, rival], 2000, 850);
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/large']);
    indexer.receive(removeOf(rival));
    assert.equal(indexer.snapshot().leftOut!.size, 0);
    indexer.receive(upsertOf(rival));
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/large']);
    // And a policy that comes to a full node is in force, where its namespace has room.
    indexer.receive(upsertOf(selecting('y/tiny', 1)));
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/large']);
    assert.equal(indexer.snapshot().policies.get('y/tiny')!.rules.ingress.length, 1);
  });

  it('fills nothing before it knows that the node has room for it', () => {
    const indexer = startIndexer([...base, small], 2000, 400);
    const before = indexer.visits.pods;
    indexer.receive(upsertOf(large));
    assert.ok(indexer.visits.pods - before <= 2, `${indexer.visits.pods - before} pods`);
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/large']);
  });

  it('pods that come to be members count too', () => {
    const byLabel = policy('x/by-label', {
      podSelector: {},
      ingress: [
        {
          from: Array.from({ length: 20 }, (_, index) => ({ podSelector: { matchLabels: { [`k${index}`]: 'v' } } })),
        },
      ],
    });
    const indexer = startIndexer([...base, byLabel], 600);
    assert.equal(indexer.snapshot().leftOut!.size, 0);
    const labels = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'v']));
    for (let index = 0; index < 98; index++)
      indexer.receive(upsertOf(pod(`x/p${index}`, { node: 'n2', ips: [`10.2.0.${index}`], labels })));
    const { leftOut, groups } = indexer.snapshot();
    assert.deepEqual([...leftOut!.keys()], ['x/by-label']);
    assert.equal(groups.size, 0);
  });

  it('members that have gone leave no room for others that nobody looks at', () => {
    const labelled = (count: number, labels: Readonly<Record<string, string>>) =>
      Array.from({ length: count }, (_, index) =>
        pod(`x/late${index}`, { node: 'n2', ips: [`10.3.0.${index}`], labels }),
      );
    const marked = policy('x/marked', {
      podSelector: {},
      ingress: [{ from: [{ podSelector: { matchLabels: { mark: 'a' } } }] }],
    });
    const indexer = startIndexer([...base, selecting('y/wide', 0)], 150);
    indexer.receive(upsertOf(selecting('x/first', 1)));
    for (const each of labelled(49, {})) indexer.receive(upsertOf(each));
    indexer.snapshot();
    indexer.receive(removeOf(selecting('x/first', 1)));
    indexer.receive(upsertOf(marked));
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], []);
    for (const each of labelled(49, { mark: 'a' })) indexer.receive(upsertOf(each));
    for (let index = 0; index < 110; index++) {
      indexer.receive(upsertOf(pod(`x/more${index}`, { node: 'n2', ips: [`10.4.0.${index}`], labels: { mark: 'a' } })));
    }
    assert.deepEqual([...indexer.snapshot().leftOut!.keys()], ['x/marked']);
  });

  it('a policy that many pods have touches its own when it comes and goes', () => {
    const indexer = startIndexer(base, 600);
    for (let index = 0; index < 300; index++) indexer.receive(upsertOf(policy(`x/q${index}`, { podSelector: {} })));
    const before = indexer.visits.selections;
    const one = policy('x/one', { podSelector: {} });
    indexer.receive(upsertOf(one));
    indexer.receive(removeOf(one));
    assert.equal(indexer.visits.selections, before);
    assert.equal(indexer.snapshot().localPods.get('x/a/x/a')?.policies.length ?? 300, 300);
  });
});
