import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Indexer } from '../../src/indexer/indexer.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../support/objects.ts';
import { removeOf, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { clusters } from '../support/random-cluster.ts';
import { describeSnapshot } from './describe-snapshot.ts';
import { assertInEveryOrder, indexed, type Told } from './in-every-order.ts';

const app = (value: string) => ({ podSelector: { matchLabels: { app: value } } });
const labels = (value: string) => ({ labels: { app: value } });

/** Isolates all pods of namespace x, which may be reached from app=db. */
const fromDb = policy('x/from-db', { podSelector: {}, ingress: [{ from: [app('db')] }] });
const local = pod('x/local', { ips: ['10.1.0.1'] });

/** What a group of pods app=db of namespace x holds. */
const membersOf = (indexer: Indexer): readonly string[] | undefined => describeSnapshot(indexer).groups['x[app In db]'];

describe('Indexer: who counts (S1.3-S1.6)', () => {
  it('a pod on the host network is neither subject nor peer', () =>
    assertInEveryOrder([local, pod('x/host', { ips: ['192.0.2.1'], hostNetwork: true, ...labels('db') }), fromDb], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': [] },
    }));

  it('nor is a terminal one, whatever address it still shows', () => {
    for (const phase of ['Succeeded', 'Failed']) {
      assertInEveryOrder([local, pod('x/done', { ips: ['10.1.0.7'], phase, ...labels('db') }), fromDb], {
        pods: { 'x/local': '10.1.0.1: x/from-db' },
        groups: { 'x[app In db]': [] },
      });
    }
  });

  it('a pod goes out the moment it becomes terminal', () => {
    const indexer = indexed(fromDb, local, pod('x/job', { ips: ['10.1.0.7'], ...labels('db') }));
    assert.deepEqual(membersOf(indexer), ['x/job 10.1.0.7']);
    const failed = pod('x/job', { ips: ['10.1.0.7'], phase: 'Failed', ...labels('db') });
    indexer.receive(upsertOf(failed));
    assert.deepEqual(describeSnapshot(indexer), describeSnapshot(indexed(fromDb, local)));
    assert.equal(indexer.size, indexed(fromDb, local, failed).size);
  });

  it('pods that leave, wait or are lost from sight count fully', () => {
    for (const fields of [{ leaving: true }, { phase: 'Pending' }, { phase: 'Unknown' }]) {
      assertInEveryOrder([pod('x/db', { ips: ['10.1.0.7'], ...labels('db'), ...fields }), fromDb], {
        pods: { 'x/db': '10.1.0.7: x/from-db' },
        groups: { 'x[app In db]': ['x/db 10.1.0.7'] },
      });
    }
  });

  it('a pod without an address is a subject already; its addresses may come one family at a time (S8.4)', () => {
    const indexer = indexed(fromDb, pod('x/db', labels('db')));
    const seen = [[], ['fd00::7'], ['fd00::7', '10.1.0.7'], ['10.1.0.7'], []].map((ips) => {
      indexer.receive(upsertOf(pod('x/db', { ips, ...labels('db') })));
      const { pods, groups } = describeSnapshot(indexer);
      return [pods['x/db'], groups['x[app In db]']];
    });
    assert.deepEqual(seen, [
      [': x/from-db', ['x/db']],
      ['fd00::7: x/from-db', ['x/db fd00::7']],
      ['fd00::7 10.1.0.7: x/from-db', ['x/db fd00::7 10.1.0.7']],
      ['10.1.0.7: x/from-db', ['x/db 10.1.0.7']],
      [': x/from-db', ['x/db']],
    ]);
  });

  it('pods of other nodes are peers only', () =>
    assertInEveryOrder([local, pod('x/db', { node: 'n2', ips: ['10.1.0.7'], ...labels('db') }), fromDb], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/db 10.1.0.7'] },
    }));
});

describe('Indexer: who owns an address (S1.9-S1.12)', () => {
  const done = pod('x/done', { ips: ['10.1.0.7'], phase: 'Succeeded', ...labels('db') });
  const db = (name: string, fields = {}) => pod(name, { node: 'n2', ips: ['10.1.0.7'], ...labels('db'), ...fields });

  it('a finished job does not lend its labels to the pod that has its address now', () =>
    assertInEveryOrder([local, done, pod('x/web', { ips: ['10.1.0.7'], ...labels('web') }), fromDb], {
      pods: { 'x/local': '10.1.0.1: x/from-db', 'x/web': '10.1.0.7: x/from-db' },
      groups: { 'x[app In db]': [] },
    }));

  it('an address is handed over in whatever order the news comes', () => {
    const [old, heir] = [db('x/old'), db('x/heir')];
    const expected = ['x/heir 10.1.0.7'];
    const leaving = db('x/old', { leaving: true });
    for (const events of [
      [old, removeOf(old), heir],
      [old, heir, removeOf(old)],
      [heir, old, removeOf(old)],
      [old, db('x/old', { phase: 'Succeeded' }), heir],
      [old, heir, db('x/old', { phase: 'Succeeded' })],
      [old, heir, db('x/old', { phase: 'Succeeded' }), removeOf(old)],
      [old, leaving, heir, removeOf(old)],
      [heir, leaving, removeOf(old)],
      [old, heir, db('x/old', { ips: [] }), removeOf(old)],
    ]) {
      const indexer = indexed(local, fromDb, ...events);
      assert.deepEqual(membersOf(indexer), expected);
      assert.equal(indexer.size, indexed(local, fromDb, heir).size);
    }
  });

  it('a pod that is deleted and made again under its name is another pod', () => {
    const again = db('x/old', { uid: 'again', ips: ['10.1.0.8'] });
    for (const events of [
      [db('x/old'), removeOf(again), again],
      [db('x/old'), again],
    ]) {
      assert.deepEqual(membersOf(indexed(local, fromDb, ...events)), ['x/old (again) 10.1.0.8']);
    }
  });

  it('a pod that stays beats one that leaves; then the address is not contested', () =>
    assertInEveryOrder([local, fromDb, db('x/heir'), db('x/old', { leaving: true })], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/heir 10.1.0.7', 'x/old'] },
    }));

  it('two that stay are matched by nothing, and none of them has the address', () =>
    assertInEveryOrder([local, fromDb, db('x/one'), db('x/two')], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/one', 'x/two'] },
    }));

  it('two that leave are as good as each other', () =>
    assertInEveryOrder([local, fromDb, db('x/one', { leaving: true }), db('x/two', { leaving: true })], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/one', 'x/two'] },
    }));

  it('contested in one family, a pod keeps its address of the other', () =>
    assertInEveryOrder([local, fromDb, db('x/one', { ips: ['10.1.0.7', 'fd00::7'] }), db('x/two')], {
      pods: { 'x/local': '10.1.0.1: x/from-db' },
      groups: { 'x[app In db]': ['x/one fd00::7', 'x/two'] },
    }));

  it('a contested local address is isolated in each direction in which any claimant is, also a remote one', () =>
    assertInEveryOrder(
      [
        pod('x/mine', { ips: ['10.1.0.7'] }),
        pod('y/theirs', { node: 'n2', ips: ['10.1.0.7'] }),
        policy('x/in', { podSelector: {} }),
        policy('y/out', { podSelector: {}, policyTypes: ['Egress'] }),
      ],
      {
        pods: { 'x/mine': ': x/in' },
        denied: { '10.1.0.7': 'egress ingress' },
        issues: ['x/mine: contested-address'],
      },
    ));

  it('a contested local address is isolated where a rule may deny a claimant something, without isolation too', () => {
    const event = upsertOf(policy('y/out', { podSelector: {}, policyTypes: ['Egress'] }));
    assert.ok(event.op === 'upsert' && event.value.kind === 'Policy');
    const everyone = { action: 'Deny', peers: [{ kind: 'any' }], ports: [{ kind: 'any' }] } as const;
    const value = { ...event.value, isolates: new Set<never>(), rules: { ingress: [everyone], egress: [] } };
    const indexer = indexed(pod('x/mine', { ips: ['10.1.0.7'] }), pod('y/theirs', { node: 'n2', ips: ['10.1.0.7'] }));
    indexer.receive({ ...event, value });
    assert.deepEqual(describeSnapshot(indexer).denied, { '10.1.0.7': 'ingress' });
  });

  it('a contested address of other nodes is none of ours', () =>
    assertInEveryOrder([db('x/one'), db('x/two'), fromDb], {}));

  it('nor is it where one of the claimants contests an address of ours too', () =>
    assertInEveryOrder(
      [
        db('x/one', { ips: ['10.1.0.7', 'fd00::7'] }),
        db('x/two'),
        pod('y/mine', { ips: ['fd00::7'] }),
        policy('x/in', { podSelector: {} }),
      ],
      { pods: { 'y/mine': ': ' }, denied: { 'fd00::7': 'ingress' }, issues: ['y/mine: contested-address'] },
    ));

  it('says who else claims it, and from when on nobody does', () => {
    const indexer = indexed(pod('x/mine', { ips: ['10.1.0.7'] }), db('x/one'), db('x/two'));
    const [issue] = indexer.issues.get('x/mine/x/mine')!;
    assert.match(issue!.message, /^10\.1\.0\.7 is also claimed by x\/one\/x\/one, x\/two\/x\/two: /);
    assert.equal(issue!.forOperators, 'claimed by x/one/x/one, x/two/x/two');
    indexer.receive(removeOf(db('x/one')));
    indexer.receive(removeOf(db('x/two')));
    assert.equal(indexer.issues.size, 0);
  });

  it('names claimants of other namespaces for operators alone (S9.14)', () => {
    const mine = pod('x/mine', { ips: ['10.1.0.7'] });
    const indexer = indexed(mine, db('x/one'), pod('bank/ledger', { ips: ['10.1.0.7'] }));
    const [issue] = indexer.issues.get('x/mine/x/mine')!;
    assert.match(issue!.message, /^10\.1\.0\.7 is also claimed by x\/one\/x\/one, pods of other namespaces: /);
    assert.equal(issue!.forOperators, 'claimed by bank/ledger/bank/ledger, x/one/x/one');
  });

  it('what a remote claimant brought goes with it', () => {
    const theirs = pod('y/theirs', { node: 'n2', ips: ['10.1.0.7'] });
    const objects = [
      pod('x/mine', { ips: ['10.1.0.7'] }),
      policy('y/out', { podSelector: {}, policyTypes: ['Egress'] }),
    ];
    const indexer = indexed(...objects, theirs);
    assert.deepEqual(describeSnapshot(indexer).denied, { '10.1.0.7': 'egress' });
    indexer.receive(upsertOf(policy('y/out', { podSelector: {}, policyTypes: ['Ingress'] })));
    assert.deepEqual(describeSnapshot(indexer).denied, { '10.1.0.7': 'ingress' });
    indexer.receive(removeOf(policy('y/out', {})));
    assert.deepEqual(describeSnapshot(indexer).denied, { '10.1.0.7': '' });
    indexer.receive(upsertOf(objects[1]!));
    indexer.receive(removeOf(theirs));
    assert.deepEqual(describeSnapshot(indexer), describeSnapshot(indexed(...objects)));
    assert.equal(indexer.size, indexed(...objects).size);
  });

  it("a pod's claim to an address of a node is ignored, from before the node has it until it has it no more (S1.12)", () => {
    const objects = [pod('x/odd', { ips: ['192.0.2.9', 'fd00::9'], ...labels('db') }), fromDb];
    assertInEveryOrder([...objects, node('n7', '192.0.2.9')], {
      pods: { 'x/odd': 'fd00::9: x/from-db' },
      groups: { 'x[app In db]': ['x/odd fd00::9'] },
      issues: ['x/odd: node-address'],
    });
    const indexer = indexed(...objects, node('n7', '192.0.2.9'), node('n8', '192.0.2.9'));
    indexer.receive(removeOf(node('n7')));
    assert.deepEqual(membersOf(indexer), ['x/odd fd00::9']);
    indexer.receive(upsertOf(node('n8', '192.0.2.8')));
    assert.deepEqual(membersOf(indexer), ['x/odd 192.0.2.9 fd00::9']);
    assert.deepEqual(describeSnapshot(indexer).issues, []);
  });
});

describe('Indexer: what a selector of nodes matches (S10.13)', () => {
  it('the addresses of nodes by their labels now, once for two nodes with one address', () => {
    const toNodes = clusterPolicy('nodes', {
      egress: [{ action: 'Accept', to: [{ nodes: { matchLabels: { pool: 'a' } } }] }],
    });
    const inPool = (pool: string, name: string, ...addresses: readonly string[]): ApiObject => {
      const bare = node(name, ...addresses);
      return { ...bare, metadata: { ...bare.metadata, labels: { pool } } };
    };
    const indexer = indexed(namespace('x'), pod('x/a'), toNodes, inPool('a', 'n2', '192.0.2.2', '192.0.2.3'));
    const addresses = () =>
      Object.values(describeSnapshot(indexer).groups).flatMap((members) =>
        members.map((each) => each.split(' ').at(-1)),
      );
    assert.deepEqual(addresses(), ['192.0.2.2', '192.0.2.3']);
    indexer.receive(upsertOf(inPool('a', 'n3', '192.0.2.3')));
    indexer.receive(upsertOf(inPool('b', 'n2', '192.0.2.2', '192.0.2.3')));
    assert.deepEqual(addresses(), ['192.0.2.3']);
    indexer.receive(upsertOf(inPool('b', 'n3', '192.0.2.3')));
    assert.deepEqual(addresses(), []);
    indexer.receive(upsertOf(inPool('a', 'n2', '192.0.2.9')));
    assert.deepEqual(addresses(), ['192.0.2.9']);
  });
});

describe('Indexer: what a selector matches (S3.1-S3.5)', () => {
  const peer = pod('y/peer', { node: 'n2', ips: ['10.1.0.7'], ...labels('db') });
  const from = (...from: unknown[]) => policy('x/p', { podSelector: {}, ingress: [{ from }] });
  const membersFor = (selector: unknown, ...rest: readonly Told[]) =>
    Object.values(describeSnapshot(indexed(local, from({ namespaceSelector: selector }), peer, ...rest)).groups)[0];
  const notProd = { matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['prod'] }] };
  const absent = { matchExpressions: [{ key: 'env', operator: 'DoesNotExist' }] };

  it('pods of a namespace that is not known match no namespaceSelector, not even {} or a negative one', () => {
    for (const selector of [{}, notProd, absent]) {
      assert.deepEqual(membersFor(selector), []);
      assert.deepEqual(membersFor(selector, namespace('y')), ['y/peer 10.1.0.7']);
      assert.deepEqual(membersFor(selector, namespace('y'), removeOf(namespace('y'))), []);
      assert.deepEqual(membersFor(selector, namespace('y'), removeOf(namespace('y')), namespace('y')), [
        'y/peer 10.1.0.7',
      ]);
    }
  });

  it('a namespace that gets other labels takes its pods along', () => {
    assert.deepEqual(membersFor(notProd, namespace('y', { env: 'dev' })), ['y/peer 10.1.0.7']);
    assert.deepEqual(membersFor(notProd, namespace('y'), namespace('y', { env: 'prod' })), []);
    assert.deepEqual(membersFor(notProd, namespace('y', { env: 'prod' }), namespace('y')), ['y/peer 10.1.0.7']);
    assert.deepEqual(membersFor({ matchLabels: { env: 'prod' } }, namespace('y', { env: 'prod' })), [
      'y/peer 10.1.0.7',
    ]);
  });

  it('its own namespace needs no Namespace object for its own pods', () =>
    assertInEveryOrder([local, from(app('db')), pod('x/db', { ips: ['10.1.0.8'], ...labels('db') }), peer], {
      pods: { 'x/local': '10.1.0.1: x/p', 'x/db': '10.1.0.8: x/p' },
      groups: { 'x[app In db]': ['x/db 10.1.0.8'] },
    }));

  it('both selectors of one peer must match', () =>
    assertInEveryOrder(
      [
        from({ namespaceSelector: { matchLabels: { env: 'prod' } }, ...app('db') }),
        local,
        peer,
        pod('y/other', { node: 'n2', ips: ['10.1.0.9'], ...labels('web') }),
        namespace('y', { env: 'prod' }),
      ],
      { pods: { 'x/local': '10.1.0.1: x/p' }, groups: { '{env In prod}[app In db]': ['y/peer 10.1.0.7'] } },
    ));

  it('a pod that loses a label leaves, one that gets it comes', () => {
    const indexer = indexed(local, fromDb, pod('x/a', { node: 'n2', ips: ['10.1.0.7'], ...labels('db') }));
    indexer.receive(upsertOf(pod('x/a', { node: 'n2', ips: ['10.1.0.7'] })));
    assert.deepEqual(membersOf(indexer), []);
    indexer.receive(upsertOf(pod('x/a', { node: 'n2', ips: ['10.1.0.7'], ...labels('db') })));
    assert.deepEqual(membersOf(indexer), ['x/a 10.1.0.7']);
  });

  it('a label named like a property of every object is no label of a pod', () => {
    const odd = policy('x/p', { podSelector: { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] } });
    assert.equal(describeSnapshot(indexed(local, odd)).pods['x/local'], '10.1.0.1: ');
    const declared = pod('x/local', { ips: ['10.1.0.1'], labels: { constructor: '' } });
    assert.equal(describeSnapshot(indexed(declared, odd)).pods['x/local'], '10.1.0.1: x/p');
  });

  it('those who declare a port are found in every namespace, known or not, and forgotten when they do so no more', () => {
    const toWeb = policy('x/p', { podSelector: {}, egress: [{ ports: [{ port: 'web' }] }] });
    const web = (protocol: string) => ({ name: 'web', containerPort: 80, protocol });
    const declaring = (protocol: string) => pod('y/web', { node: 'n2', ips: ['10.1.0.7'], ports: [web(protocol)] });
    const members = (...events: readonly Told[]) =>
      describeSnapshot(indexed(local, toWeb, ...events)).groups['all[] TCP/web'];
    assert.deepEqual(members(declaring('TCP')), ['y/web 10.1.0.7']);
    assert.deepEqual(members(declaring('UDP')), []);
    assert.deepEqual(members(declaring('TCP'), declaring('UDP')), []);
    assert.deepEqual(members(declaring('UDP'), declaring('TCP')), ['y/web 10.1.0.7']);
    assert.deepEqual(members(namespace('y'), declaring('TCP'), removeOf(namespace('y'))), ['y/web 10.1.0.7']);
  });
});

describe('Indexer: which policies apply, and what they need', () => {
  const two = [pod('x/a', { ips: ['10.1.0.1'], ...labels('a') }), pod('x/b', { ips: ['10.1.0.2'], ...labels('b') })];

  it('an update to another podSelector frees the old pods and takes the new ones', () => {
    const indexer = indexed(...two, policy('x/p', app('a')));
    assert.deepEqual(describeSnapshot(indexer).pods, { 'x/a': '10.1.0.1: x/p', 'x/b': '10.1.0.2: ' });
    indexer.receive(upsertOf(policy('x/p', app('b'))));
    assert.deepEqual(describeSnapshot(indexer).pods, { 'x/a': '10.1.0.1: ', 'x/b': '10.1.0.2: x/p' });
    assert.equal(indexer.size, indexed(...two, policy('x/p', app('b'))).size);
  });

  it('a pod that gets or loses the label of a podSelector gets or loses the policy', () => {
    const indexer = indexed(two[0]!, policy('x/p', app('b')));
    indexer.receive(upsertOf(pod('x/a', { ips: ['10.1.0.1'], ...labels('b') })));
    assert.deepEqual(describeSnapshot(indexer).pods, { 'x/a': '10.1.0.1: x/p' });
    indexer.receive(upsertOf(two[0]!));
    assert.deepEqual(describeSnapshot(indexer).pods, { 'x/a': '10.1.0.1: ' });
    assert.equal(indexer.size, indexed(two[0]!, policy('x/p', app('b'))).size);
  });

  it('pods that the same policies isolate share the list of them, and no others do', () => {
    const one = (value: string, ip: string) => pod(`x/${value}-${ip}`, { ips: [ip], ...labels(value) });
    const of = (value: string) => policy(`x/${value}`, { podSelector: { matchLabels: { app: value } } });
    const pods = [one('db', '10.1.0.7'), one('db', '10.1.0.8'), one('web', '10.1.0.9')];
    const { localPods } = indexed(...pods, fromDb, of('db'), of('web')).snapshot();
    const [first, second, web] = [...localPods.values()].map(({ policies }) => policies);
    assert.deepEqual(first, ['x/db', 'x/from-db']);
    assert.equal(first, second);
    assert.deepEqual(web, ['x/from-db', 'x/web']);
  });

  it('a policy that selects no local pod is not in the Snapshot, nor are its groups', () =>
    assertInEveryOrder(
      [
        two[0]!,
        pod('x/b', { node: 'n2', ips: ['10.1.0.2'], ...labels('b') }),
        policy('x/p', { ...app('b'), ingress: [{ from: [app('a')] }] }),
      ],
      { pods: { 'x/a': '10.1.0.1: ' } },
    ));

  it('groups come with the first policy that needs them, and go with the last', () => {
    const policies = ['x/p', 'x/q'].map((name) => policy(name, { ...app('a'), ingress: [{ from: [app('b')] }] }));
    const indexer = indexed(...two, ...policies);
    const full = { 'x[app In b]': ['x/b 10.1.0.2'] };
    assert.deepEqual(describeSnapshot(indexer).groups, full);
    indexer.receive(removeOf(policies[0]!));
    assert.deepEqual(describeSnapshot(indexer).groups, full);
    indexer.receive(removeOf(two[0]!));
    assert.deepEqual(describeSnapshot(indexer).groups, {});
    indexer.receive(upsertOf(two[0]!));
    assert.deepEqual(describeSnapshot(indexer).groups, full);
    indexer.receive(removeOf(policies[1]!));
    assert.deepEqual(describeSnapshot(indexer).groups, {});
    assert.equal(indexer.size, indexed(...two).size);
  });

  it('a group that the new version of a policy still needs is kept, the others go', () => {
    const version = (...peers: string[]) => policy('x/p', { podSelector: {}, ingress: [{ from: peers.map(app) }] });
    const indexer = indexed(...two, version('a', 'b'));
    const before = new Map(indexer.snapshot().groups);
    indexer.receive(upsertOf(version('b', 'c')));
    assert.deepEqual(Object.keys(describeSnapshot(indexer).groups), ['x[app In b]', 'x[app In c]']);
    const kept = [...indexer.snapshot().groups.values()].filter((group) => group === before.get(group.id));
    assert.equal(kept.length, 1, 'its object is the same, so that nothing is built anew');
  });

  it('says by identity what has not changed', () => {
    const indexer = indexed(...two, policy('x/p', { podSelector: {}, ingress: [{ from: [app('b')] }] }));
    const held = (): unknown[] => {
      const { groups, localPods, policies } = indexer.snapshot();
      return [...groups.values(), ...localPods.values(), ...policies.values()];
    };
    const before = held();
    indexer.receive(upsertOf(pod('x/c', { node: 'n2', ips: ['10.1.0.3'], ...labels('c') })));
    indexer.receive(upsertOf(two[1]!));
    indexer.receive(upsertOf(namespace('x')));
    const after = held();
    assert.ok(before.length === 4 && after.every((each, index) => each === before[index]));
    indexer.receive(upsertOf(pod('x/c', { node: 'n2', ips: ['10.1.0.3'], ...labels('b') })));
    assert.notEqual(held()[0], before[0]);
  });

  it('is in sync when the first lists of all resources are in', () => {
    const indexer = indexed();
    for (const resource of resourceNames) {
      assert.equal(indexer.snapshot().inSync, false);
      indexer.receive({ op: 'synced', resource });
    }
    assert.equal(indexer.snapshot().inSync, true);
  });
});

describe('Indexer: nothing leaks', function () {
  this.timeout(0);

  it('its tables hold what the objects of now need, whatever was there before, and nothing once all are gone', () => {
    let largest = 0;
    fc.assert(
      fc.property(clusters, clusters, fc.infiniteStream(fc.nat()), (first, second, choices) => {
        const indexer = indexed(...first);
        const kept = new Set(second.map(keyOf));
        for (const object of shuffled(first, choices)) if (!kept.has(keyOf(object))) indexer.receive(removeOf(object));
        for (const object of shuffled(second, choices)) indexer.receive(upsertOf(object));
        assert.equal(indexer.size, indexed(...second).size);
        largest = Math.max(largest, indexer.size);
        for (const object of shuffled(second, choices)) indexer.receive(removeOf(object));
        assert.equal(indexer.size, 0);
      }),
      { numRuns: 300 },
    );
    assert.ok(largest > 50, `at most ${largest} entries`);
  });
});

function keyOf({ kind, metadata }: ApiObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

function shuffled<T>(items: readonly T[], choices: fc.Stream<number>): T[] {
  const rest = [...items];
  const order: T[] = [];
  for (const choice of choices.take(items.length)) order.push(...rest.splice(choice % rest.length, 1));
  return order;
}

describe('Indexer: unplaced addresses (S10.11, S10.33)', () => {
  const rules = (action: string) => [{ action, from: [{ pods: { podSelector: { matchLabels: { app: 'none' } } } }] }];
  const guard = (action = 'Deny'): ApiObject => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'guard', uid: 'guard', resourceVersion: '1' },
    spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} }, ingress: rules(action) },
  });
  const mine = pod('x/mine', { ips: ['10.1.0.1'] });
  const other = (name: string, ip = '10.1.0.7') => pod(name, { node: 'n2', ips: [ip] });
  const known = [namespace('x'), namespace('y')];
  const unplaced = (...objects: readonly ApiObject[]): readonly string[] | undefined =>
    describeSnapshot(indexed(...objects)).groups['unplaced'];

  it('are a group, whatever the order of events', () =>
    assertInEveryOrder([mine, guard(), namespace('x'), other('x/one'), other('x/two'), other('y/three', '10.1.0.8')], {
      pods: { 'x/mine': '10.1.0.1: /guard' },
      groups: {
        unplaced: ['/10.1.0.7 (unplaced) 10.1.0.7', 'y/three 10.1.0.8'],
        '{}[app In none]': [],
      },
    }));

  it('belong to it for Deny and Pass only', () => {
    assert.deepEqual(unplaced(...known, mine, guard('Pass')), []);
    assert.equal(unplaced(...known, mine, guard('Accept')), undefined);
  });

  it('leave it when the claim of one pod ends, and when the namespace comes', () => {
    const indexer = indexed(
      mine,
      guard(),
      namespace('x'),
      other('x/one'),
      other('x/two'),
      other('y/three', '10.1.0.8'),
    );
    indexer.receive(removeOf(other('x/two')));
    indexer.receive(upsertOf(namespace('y')));
    const expected = indexed(mine, guard(), ...known, other('x/one'), other('y/three', '10.1.0.8'));
    assert.deepEqual(describeSnapshot(indexer), describeSnapshot(expected));
    assert.deepEqual(describeSnapshot(indexer).groups['unplaced'], []);
    assert.equal(indexer.size, expected.size);
    indexer.receive(removeOf(namespace('y')));
    assert.deepEqual(describeSnapshot(indexer).groups['unplaced'], ['y/three 10.1.0.8']);
  });

  it('are denied on their own node while a ClusterNetworkPolicy may select the pod by its namespace', () => {
    const indexer = indexed(mine, policy('x/p', { podSelector: {} }));
    assert.deepEqual(describeSnapshot(indexer).denied, {});
    indexer.receive(upsertOf(guard('Accept')));
    const { denied, issues } = describeSnapshot(indexer);
    assert.deepEqual([denied, issues], [{ '10.1.0.1': 'egress ingress' }, ['x/mine: unknown-namespace']]);
    indexer.receive(upsertOf(namespace('x')));
    assert.deepEqual([describeSnapshot(indexer).denied, describeSnapshot(indexer).issues], [{}, []]);
    indexer.receive(removeOf(namespace('x')));
    assert.deepEqual(describeSnapshot(indexer).denied, denied);
    indexer.receive(removeOf(guard()));
    assert.deepEqual([describeSnapshot(indexer).denied, describeSnapshot(indexer).issues], [{}, []]);
  });
});
