import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Indexer } from '../../src/indexer/indexer.ts';
import type { NodeFact, Pod } from '../../src/model/cluster.ts';
import { clusterPolicy, endOf, namespace, node, pod, policy, sandbox, type PodFields } from '../support/objects.ts';
import { removeOf, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { describeSnapshot } from './describe-snapshot.ts';
import { assertInEveryOrder, indexed, type Told } from './in-every-order.ts';

const app = (value: string) => ({ podSelector: { matchLabels: { app: value } } });
const labels = (value: string) => ({ labels: { app: value } });

/** Isolates all pods of namespace x, which may be reached from app=db. */
const fromDb = policy('x/from-db', { podSelector: {}, ingress: [{ from: [app('db')] }] });
const db = (name: string, fields: PodFields = {}): ApiObject => pod(name, { ...labels('db'), ...fields });
const kept: NodeFact = { op: 'cache-complete' };
const link = { device: 'veth1' };

function fetched(object: ApiObject): NodeFact {
  const event = upsertOf(object) as { readonly key: string; readonly value: Pod };
  return { op: 'fetched', key: event.key, value: event.value };
}

const gone = (key: string): NodeFact => ({ op: 'fetched', key, value: undefined });
const both = 'egress ingress';

describe('Indexer: a sandbox says whose an address of this node is (S1.9)', () => {
  it('before the API server shows any address, and with its device', () =>
    assertInEveryOrder([db('x/a'), sandbox('x/a', { ips: ['10.1.0.1', 'fd00::1'], link }), fromDb], {
      pods: { 'x/a': '10.1.0.1 fd00::1: x/from-db' },
      groups: { 'x[app In db]': ['x/a 10.1.0.1 fd00::1'] },
      links: { '10.1.0.1': 'veth1', 'fd00::1': 'veth1' },
    }));

  it('also of a pod that the watch shows without a node yet', () =>
    assertInEveryOrder([db('x/a', { node: '' }), sandbox('x/a', { ips: ['10.1.0.1'] }), fromDb], {
      pods: { 'x/a': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/a 10.1.0.1'] },
    }));

  it('as soon as the CNI plugin tells, which shows nothing about the sandboxes of other pods', () =>
    assertInEveryOrder(
      [db('x/a'), sandbox('x/a', { ips: ['10.1.0.1'], isAnnounced: true }), db('x/b', { ips: ['10.1.0.2'] }), fromDb],
      {
        pods: { 'x/a': '10.1.0.1: x/from-db', 'x/b': '10.1.0.2: x/from-db' },
        groups: { 'x[app In db]': ['x/a 10.1.0.1', 'x/b 10.1.0.2'] },
      },
    ));

  it('where the API server says another, which then nobody may use', () =>
    assertInEveryOrder([db('x/a', { ips: ['10.1.0.9'] }), sandbox('x/a', { ips: ['10.1.0.1'] }), fromDb], {
      pods: { 'x/a': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/a 10.1.0.1'] },
      denied: { '10.1.0.9': both },
      issues: ['x/a: stale-address'],
    }));

  it('against pods of this node and of others that claim it', () =>
    assertInEveryOrder(
      [
        db('x/a'),
        sandbox('x/a', { ips: ['10.1.0.1'] }),
        pod('x/b', { ips: ['10.1.0.1'] }),
        pod('y/c', { node: 'n2', ips: ['10.1.0.1'] }),
        fromDb,
      ],
      {
        pods: { 'x/a': '10.1.0.1: x/from-db', 'x/b': ': x/from-db' },
        groups: { 'x[app In db]': ['x/a 10.1.0.1'] },
        issues: ['x/b: stale-address'],
      },
    ));

  it('also if that pod leaves and a claimant does not', () =>
    assertInEveryOrder(
      [
        db('x/a', { leaving: true }),
        sandbox('x/a', { ips: ['10.1.0.1'] }),
        db('x/b', { node: 'n2', ips: ['10.1.0.1'] }),
        fromDb,
      ],
      {
        pods: { 'x/a': '10.1.0.1: x/from-db' },
        groups: { 'x[app In db]': ['x/a 10.1.0.1', 'x/b'] },
      },
    ));

  it('but not against a node (S1.12)', () => {
    const objects = [db('x/a'), sandbox('x/a', { ips: ['192.0.2.9'], link }), pod('y/b', { ips: ['192.0.2.9'] })];
    assertInEveryOrder([...objects, sandbox('y/unknown', { ips: ['192.0.2.9'], order: 2 }), node('n1', '192.0.2.9')], {
      pods: { 'x/a': ': ', 'y/b': ': ' },
      issues: ['x/a: node-address', 'y/b: node-address'],
      unknown: ['y/unknown'],
    });
  });

  it('against what another node claims in its status, which is reported (S1.12)', () =>
    assertInEveryOrder(
      [
        db('x/a'),
        fromDb,
        sandbox('x/a', { ips: ['10.1.0.1'], link }),
        sandbox('y/unknown', { ips: ['10.1.0.2'] }),
        node('n2', '10.1.0.1', '10.1.0.2'),
      ],
      {
        pods: { 'x/a': '10.1.0.1: x/from-db' },
        groups: { 'x[app In db]': ['x/a 10.1.0.1'] },
        links: { '10.1.0.1': 'veth1' },
        denied: { '10.1.0.2': both },
        issues: ['x/a: node-address'],
        unknown: ['y/unknown'],
      },
    ));

  it('also where a rule selects nodes: no node is a peer with an address that a sandbox has here (S1.12)', () => {
    const toNodes = clusterPolicy('nodes', { egress: [{ action: 'Accept', to: [{ nodes: {} }] }] });
    const held = sandbox('x/a', { ips: ['10.1.0.1'], link });
    const objects = [db('x/a'), namespace('x'), toNodes, node('n2', '10.1.0.1', '192.0.2.2')];
    const nodes = (...members: readonly string[]) => ({ 'nodes[]': members });
    const expected = {
      pods: { 'x/a': '10.1.0.1: /nodes' },
      links: { '10.1.0.1': 'veth1' },
      issues: ['x/a: node-address'],
    };
    assertInEveryOrder([...objects, held], { ...expected, groups: nodes('/192.0.2.2 (node) 192.0.2.2') });
    const indexer = indexed(...objects, held);
    indexer.receive(endOf(held));
    const both = nodes('/10.1.0.1 (node) 10.1.0.1', '/192.0.2.2 (node) 192.0.2.2');
    assert.deepEqual(describeSnapshot(indexer).groups, both);
    indexer.receive(held);
    indexer.receive(removeOf(node('n2')));
    assert.deepEqual(describeSnapshot(indexer).groups, nodes());
  });

  it('the later one of two sandboxes', () =>
    assertInEveryOrder(
      [
        db('x/a'),
        db('x/b'),
        sandbox('x/a', { ips: ['10.1.0.1'], link }),
        sandbox('x/b', { ips: ['10.1.0.1'], order: 2, link: { device: 'cni0', port: 'veth2' } }),
        fromDb,
      ],
      {
        pods: { 'x/a': ': x/from-db', 'x/b': '10.1.0.1: x/from-db' },
        groups: { 'x[app In db]': ['x/a', 'x/b 10.1.0.1'] },
        links: { '10.1.0.1': 'cni0/veth2' },
        issues: ['x/a: stale-address'],
      },
    ));

  it('of one pod with two sandboxes the later one, whose predecessor may do nothing any more', () =>
    assertInEveryOrder(
      [
        db('x/a'),
        sandbox('x/a', { id: 'old', ips: ['10.1.0.1'], link }),
        sandbox('x/a', { id: 'new', ips: ['10.1.0.2'], order: 2 }),
        fromDb,
      ],
      {
        pods: { 'x/a': '10.1.0.2: x/from-db' },
        groups: { 'x[app In db]': ['x/a 10.1.0.2'] },
        denied: { '10.1.0.1': both },
        links: { '10.1.0.1': 'veth1' },
      },
    ));

  it('a static pod by the uid that the kubelet knows it by, and its mirror made anew is the same', () => {
    const facts = [sandbox('x/a', { uid: 'hash', ips: ['10.1.0.1'] }), fromDb];
    const expected = { groups: { 'x[app In db]': [] } };
    assertInEveryOrder([pod('x/a', { mirrorOf: 'hash' }), ...facts], {
      ...expected,
      pods: { 'x/a': '10.1.0.1: x/from-db' },
    });
    const again = pod('x/a', { mirrorOf: 'hash', uid: 'again' });
    const indexer = indexed(pod('x/a', { mirrorOf: 'hash' }), ...facts, again);
    assert.deepEqual(describeSnapshot(indexer).pods, { 'x/a (again)': '10.1.0.1: x/from-db' });
    assert.equal(indexer.snapshot().localPods.get('x/a/again')!.mirrorOf, 'hash');
  });
});

describe('Indexer: a sandbox whose pod is not known may neither send nor receive (S1.14)', () => {
  const unknown = { denied: { '10.1.0.1': both }, links: { '10.1.0.1': 'veth1' }, unknown: ['x/a'] };
  const facts = [sandbox('x/a', { ips: ['10.1.0.1'], link }), fromDb];

  it('nobody has heard of it', () => assertInEveryOrder(facts, unknown));

  it('the pod of its name is another one', () =>
    assertInEveryOrder([...facts, db('x/a', { uid: 'other', node: 'n2', ips: ['10.1.0.7'] }), pod('x/b')], {
      ...unknown,
      pods: { 'x/b': ': x/from-db' },
      groups: { 'x[app In db]': ['x/a (other) 10.1.0.7'] },
    }));

  it('it is on the host network, or over: then it is known, and there is nothing to ask', () => {
    for (const fields of [{ phase: 'Succeeded' }, { phase: 'Failed' }, { hostNetwork: true }]) {
      assertInEveryOrder([...facts, db('x/a', { ips: ['10.1.0.1'], ...fields })], { ...unknown, unknown: [] });
    }
  });

  it('somebody else claims its address', () =>
    assertInEveryOrder([...facts, db('x/b', { node: 'n2', ips: ['10.1.0.1'] }), pod('y/c', { ips: ['10.1.0.1'] })], {
      ...unknown,
      pods: { 'y/c': ': ' },
      issues: ['y/c: stale-address'],
    }));

  it('until the pod comes, by the watch or because it was asked for', () => {
    const allowed = {
      pods: { 'x/a': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/a 10.1.0.1'] },
      links: { '10.1.0.1': 'veth1' },
    };
    assertInEveryOrder([...facts, db('x/a')], allowed);
    assertInEveryOrder([...facts, fetched(db('x/a'))], allowed);
    assertInEveryOrder([...facts, fetched(db('x/a', { node: '' }))], allowed);
  });

  it('an answer that there is no such pod changes nothing', () => assertInEveryOrder([...facts, gone('x/a')], unknown));

  it('nor does one with another pod, with one of another node, or with one that is over', () => {
    assertInEveryOrder([...facts, fetched(db('x/a', { uid: 'other' }))], unknown);
    assertInEveryOrder([...facts, fetched(db('x/a', { node: 'n2' }))], unknown);
    assertInEveryOrder([...facts, fetched(db('x/a', { phase: 'Failed' }))], { ...unknown, unknown: [] });
  });

  it('a device that is not there any more is no sandbox', () =>
    assertInEveryOrder([sandbox('x/a', { ips: ['10.1.0.1'], live: false, link }), fromDb], {}));
});

describe('Indexer: pods that are fetched', () => {
  const facts = [sandbox('x/a', { ips: ['10.1.0.1'] }), fromDb, db('x/local', { ips: ['10.1.0.2'] })];
  const forgotten = (...events: readonly Told[]) => {
    const [indexer, without] = [indexed(...facts, ...events), indexed(...facts)];
    assert.deepEqual(describeSnapshot(indexer).unknown, ['x/a']);
    return indexer.size - without.size;
  };

  it('count only as long as they have a sandbox', () => {
    const indexer = indexed(...facts, fetched(db('x/a')), endOf(sandbox('x/a')));
    assert.deepEqual(describeSnapshot(indexer).groups, { 'x[app In db]': ['x/local 10.1.0.2'] });
    indexer.receive(gone('x/a'));
    assert.equal(indexer.size, indexed(fromDb, db('x/local', { ips: ['10.1.0.2'] })).size);
  });

  it('are replaced by what the watch brings, older or newer', () => {
    const watched = pod('x/a', labels('web'));
    const expected = describeSnapshot(indexed(...facts, watched));
    for (const events of [
      [fetched(db('x/a')), watched],
      [watched, fetched(db('x/a'))],
    ]) {
      const indexer = indexed(...facts, ...events);
      assert.deepEqual(describeSnapshot(indexer), expected);
      assert.equal(indexer.size, indexed(...facts, watched).size);
    }
  });

  it('go when the watch says that they have gone', () => {
    assert.equal(forgotten(fetched(db('x/a')), db('x/a'), removeOf(db('x/a'))), 0);
    assert.equal(forgotten(fetched(db('x/a')), gone('x/a')), 0);
  });

  it('are forgotten when the watch brings them after their sandbox has ended, from whatever node', () => {
    for (const node of ['n1', 'n2']) {
      const watched = db('x/a', { node });
      const indexer = indexed(fetched(db('x/a')), watched);
      assert.equal(indexer.size, indexed(watched).size, node);
    }
  });

  it('stand beside the pod of their name that came before them', () =>
    assertInEveryOrder(
      [db('x/a', { uid: 'before', leaving: true, ips: ['10.1.0.9'] }), fetched(pod('x/a')), ...facts.slice(0, 2)],
      {
        pods: { 'x/a': '10.1.0.1: x/from-db', 'x/a (before)': ': x/from-db' },
        groups: { 'x[app In db]': ['x/a (before)'] },
        denied: { '10.1.0.9': both },
      },
    ));
});

describe('Indexer: where a record of sandboxes is kept, a pod without one has no address (S7.15)', () => {
  const objects = [db('x/a', { ips: ['10.1.0.1'] }), db('x/remote', { node: 'n2', ips: ['10.1.0.7'] }), fromDb];
  const believed = {
    pods: { 'x/a': '10.1.0.1: x/from-db' },
    groups: { 'x[app In db]': ['x/a 10.1.0.1', 'x/remote 10.1.0.7'] },
  };
  const stale = {
    pods: { 'x/a': ': x/from-db' },
    groups: { 'x[app In db]': ['x/a', 'x/remote 10.1.0.7'] },
    denied: { '10.1.0.1': both },
    issues: ['x/a: stale-address'],
  };

  it('elsewhere the API server is believed', () => assertInEveryOrder(objects, believed));

  it('a sandbox of no known pod shows nothing', () =>
    assertInEveryOrder([...objects, sandbox('y/alien', { ips: ['10.1.0.9'] })], {
      ...believed,
      denied: { '10.1.0.9': both },
      unknown: ['y/alien'],
    }));

  it('what a reboot has left behind shows it', () =>
    assertInEveryOrder([...objects, sandbox('x/a', { ips: ['10.1.0.1'], live: false })], stale));

  it('so does the sandbox of another pod', () =>
    assertInEveryOrder([...objects, pod('y/b'), sandbox('y/b', { ips: ['10.1.0.2'] })], {
      ...stale,
      pods: { ...stale.pods, 'y/b': '10.1.0.2: ' },
    }));

  it("which is not denied where another node's pod has it by now", () => {
    const moved = [db('x/a', { ips: ['10.1.0.7'], leaving: true }), ...objects.slice(1), kept];
    assertInEveryOrder(moved, {
      pods: { 'x/a': ': x/from-db' },
      groups: { 'x[app In db]': ['x/a', 'x/remote 10.1.0.7'] },
    });
  });

  it('and having been told so, for good', () => {
    assertInEveryOrder([...objects, kept], stale);
    const indexer = indexed(...objects, kept, sandbox('x/a', { ips: ['10.1.0.1'] }));
    assert.deepEqual(describeSnapshot(indexer).pods, believed.pods);
    indexer.receive(endOf(sandbox('x/a')));
    assert.deepEqual(describeSnapshot(indexer).pods, stale.pods);
    assert.equal(indexer.cniCacheComplete, true);
  });

  it('as long as the record can be read: where not, the API server is believed of pods that it does not hold', () => {
    const lost: NodeFact = { op: 'cache-readable', readable: false };
    assertInEveryOrder([...objects, kept, lost], believed);
    assertInEveryOrder([...objects, sandbox('x/a', { ips: ['10.1.0.2'] }), kept, lost], {
      pods: { 'x/a': '10.1.0.2: x/from-db' },
      groups: { 'x[app In db]': ['x/a 10.1.0.2', 'x/remote 10.1.0.7'] },
      denied: { '10.1.0.1': both },
      issues: ['x/a: stale-address'],
    });
    const indexer = indexed(...objects, kept, lost);
    indexer.receive({ op: 'cache-readable', readable: true });
    assert.deepEqual([indexer.cniCacheComplete, describeSnapshot(indexer).pods], [true, stale.pods]);
  });

  it('the address that one pod shows from before the reboot is of the pod whose sandbox has it now', () =>
    assertInEveryOrder(
      [
        ...objects,
        sandbox('x/a', { ips: ['10.1.0.2'] }),
        pod('y/b', { ips: ['10.1.0.2'] }),
        sandbox('y/b', { ips: ['10.1.0.1'] }),
      ],
      {
        pods: { 'x/a': '10.1.0.2: x/from-db', 'y/b': '10.1.0.1: ' },
        groups: { 'x[app In db]': ['x/a 10.1.0.2', 'x/remote 10.1.0.7'] },
        issues: ['x/a: stale-address', 'y/b: stale-address'],
      },
    ));

  it('a pod that leaves, and whose sandbox is gone, is nothing to report', () =>
    assertInEveryOrder([db('x/a', { ips: ['10.1.0.1'], leaving: true }), fromDb, kept], {
      pods: { 'x/a': ': x/from-db' },
      groups: { 'x[app In db]': ['x/a'] },
      denied: { '10.1.0.1': both },
    }));
});

describe('Indexer: pods that leave (S1.7)', () => {
  const a = db('x/a', { ips: ['10.1.0.1'] });
  const ofA = sandbox('x/a', { ips: ['10.1.0.1'] });
  const b = pod('x/b', labels('web'));
  const ofB = sandbox('x/b', { ips: ['10.1.0.1'], order: 2 });
  const membersOf = (indexer: Indexer) => describeSnapshot(indexer).groups['x[app In db]'];

  it('one whose object is gone is isolated as long as its sandbox is there, and no peer', () => {
    const indexer = indexed(
      fromDb,
      db('x/other', { ips: ['10.1.0.2'] }),
      sandbox('x/other', { ips: ['10.1.0.2'] }),
      a,
      ofA,
    );
    assert.deepEqual(membersOf(indexer), ['x/a 10.1.0.1', 'x/other 10.1.0.2']);
    indexer.receive(removeOf(a));
    assert.deepEqual(membersOf(indexer), ['x/other 10.1.0.2']);
    assert.deepEqual(describeSnapshot(indexer).denied, { '10.1.0.1': both });
    indexer.receive(endOf(ofA));
    assert.deepEqual(describeSnapshot(indexer).denied, {});
  });

  it('an address that the next pod has at once is its own, whatever comes when', () => {
    const expected = describeSnapshot(indexed(kept, fromDb, b, ofB));
    for (const events of [
      [ofB, b, endOf(ofA), removeOf(a)],
      [endOf(ofA), ofB, b, removeOf(a)],
      [b, ofB, removeOf(a), endOf(ofA)],
      [removeOf(a), ofB, b, endOf(ofA)],
      [ofB, fetched(b), removeOf(a), endOf(ofA), b],
    ]) {
      const indexer = indexed(kept, fromDb, a, ofA);
      for (const event of events) {
        indexer.receive('kind' in event ? upsertOf(event) : event);
        // Never the labels of one with the address of the other.
        if (indexer.snapshot().localPods.get('x/b/x/b')?.addresses.length)
          assert.notDeepEqual(membersOf(indexer), ['x/a 10.1.0.1']);
      }
      assert.deepEqual(describeSnapshot(indexer), expected);
      assert.equal(indexer.size, indexed(kept, fromDb, b, ofB).size);
    }
  });
});

describe('Indexer: links that no sandbox tells of', () => {
  const links = (...entries: readonly [string, { device: string; port?: string }][]): NodeFact => ({
    op: 'links',
    links: new Map(entries),
  });

  it('are those that routes tell of; a sandbox knows better', () =>
    assertInEveryOrder(
      [
        pod('x/a'),
        sandbox('x/a', { ips: ['10.1.0.1'], link }),
        pod('x/b'),
        sandbox('x/b', { ips: ['10.1.0.2'] }),
        links(['10.1.0.1', { device: 'other' }], ['10.1.0.2', { device: 'cni0', port: 'veth2' }], ['10.1.0.3', link]),
      ],
      {
        pods: { 'x/a': '10.1.0.1: ', 'x/b': '10.1.0.2: ' },
        links: { '10.1.0.1': 'veth1', '10.1.0.2': 'cni0/veth2' },
      },
    ));

  it('come, change and go; who has none is told', () => {
    const indexer = indexed(pod('x/a', { ips: ['10.1.0.1', 'fd00::1'] }), pod('x/b'));
    const seen = [
      links(['10.1.0.1', link], ['fd00::1', link]),
      links(['10.1.0.1', { device: 'cni0', port: 'veth1' }], ['fd00::1', link]),
      links(['fd00::1', link]),
      links(),
    ].map((fact) => {
      const before = indexer.snapshot().localPods.get('x/b/x/b');
      indexer.receive(fact);
      assert.equal(indexer.snapshot().localPods.get('x/b/x/b'), before);
      return [Object.values(describeSnapshot(indexer).links).join(' '), ...indexer.unlinked.map(({ key }) => key)];
    });
    assert.deepEqual(seen, [['veth1 veth1'], ['cni0/veth1 veth1'], ['veth1', 'x/a/x/a'], ['', 'x/a/x/a']]);
    assert.equal(indexer.size, indexed(pod('x/a', { ips: ['10.1.0.1', 'fd00::1'] }), pod('x/b')).size);
  });

  it('make a new object of the pod that they are of', () => {
    const indexer = indexed(pod('x/a'), sandbox('x/a', { ips: ['10.1.0.1'], link }));
    const before = indexer.snapshot().localPods.get('x/a/x/a');
    indexer.receive(sandbox('x/a', { ips: ['10.1.0.1'], link: { device: 'veth1' } }));
    assert.equal(indexer.snapshot().localPods.get('x/a/x/a'), before);
    indexer.receive(sandbox('x/a', { ips: ['10.1.0.1'], link: { device: 'veth2' } }));
    assert.notEqual(indexer.snapshot().localPods.get('x/a/x/a'), before);
  });
});

describe('Indexer: what a fact costs', () => {
  const sizes = [20, 200];
  const many = (count: number, of: (index: number) => readonly Told[]) =>
    Array.from({ length: count }, (_, i) => of(i)).flat();
  const podOf = (index: number) => pod(`x/p${index}`, { ...labels('web'), ips: [`10.1.1.${index}`] });
  const sandboxOf = (index: number) =>
    sandbox(`x/p${index}`, { ips: [`10.1.1.${index}`], link: { device: `veth${index}` } });
  const visitsOf = (indexer: Indexer, events: readonly Told[]): number => {
    const before = { ...indexer.visits };
    for (const event of events) indexer.receive('kind' in event ? upsertOf(event) : event);
    return indexer.visits.pods - before.pods + indexer.visits.selections - before.selections;
  };

  it('of one pod is the same, however many there are', () => {
    const unknown = sandbox('y/alien', { ips: ['10.1.2.1'] });
    const next = [
      sandbox('x/a', { ips: ['10.1.2.2'] }),
      fetched(db('x/a')),
      db('x/a'),
      unknown,
      endOf(unknown),
      sandbox('x/a', { id: 'again', ips: ['10.1.2.3'], order: 2, link }),
      removeOf(db('x/a')),
      ...['veth', 'eth'].map((device): NodeFact => ({ op: 'links', links: new Map([['10.1.1.1', { device }]]) })),
    ];
    const visits = sizes.map((count) =>
      visitsOf(indexed(fromDb, ...many(count, (i) => [podOf(i), sandboxOf(i)])), next),
    );
    assert.equal(visits[0], visits[1]);
  });

  it('is that of all local pods once: when the first sandbox of a known pod shows that a record is kept', () => {
    const [few, all] = sizes.map((count) => {
      const indexer = indexed(
        fromDb,
        ...many(count, (i) => [podOf(i)]),
        ...many(500, (i) => [pod(`z/p${i}`, { node: 'n2' })]),
      );
      const [first, ...rest] = Array.from({ length: count }, (_, i) => visitsOf(indexer, [sandboxOf(i)]));
      assert.ok(Math.max(...rest) <= 10, `${Math.max(...rest)}`);
      return first!;
    });
    assert.ok(all! - few! <= 4 * (sizes[1]! - sizes[0]!), `${few} and ${all}`);
  });
});
