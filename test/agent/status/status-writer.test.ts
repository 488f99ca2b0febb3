import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { leaseNameOf, readLease } from '../../../src/agent/status/held-report.ts';
import { leadLease } from '../../../src/agent/status/status-writer.ts';
import { ApiError } from '../../../src/watch/api-error.ts';
import { namespace, StatusAgent, StatusCluster } from './status-cluster.ts';

const deny = { action: 'Deny', from: [{ namespaces: {} }] };

describe('the status of ClusterNetworkPolicies', function () {
  this.timeout(180_000);
  let cluster: StatusCluster;
  beforeEach(async () => {
    cluster = await StatusCluster.start();
  });
  afterEach(() => cluster.server.close());
  const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `node-${index + 1}`);

  it('says that all nodes hold the policy, in one write of one agent (S10.27, S10.28)', async () => {
    cluster.addNodes(names(2));
    cluster.addPolicy('guard', { ingress: [deny] });
    await cluster.run(30_000);
    const lastTransitionTime = '2026-12-01T00:00:03Z';
    const [accepted, programmed] = cluster.conditions('guard');
    assert.deepEqual(accepted, {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'Postern can enforce all of this policy',
      observedGeneration: 1,
      lastTransitionTime,
    });
    assert.deepEqual(programmed, {
      ...accepted,
      type: 'Programmed',
      reason: 'Programmed',
      message: 'Programmed on all 2 nodes',
    });
    assert.equal(cluster.statusWrites.length, 1);
    assert.equal(cluster.elected.length, 1);
  });

  it('names a node that lags, and follows it (S10.28)', async () => {
    cluster.addNodes(names(3));
    cluster.addPolicy('guard');
    await cluster.run(30_000);
    cluster.agents[1]!.isStuck = true;
    cluster.changePolicy('guard', { priority: 11 });
    await cluster.run(30_000);
    assert.equal(cluster.programmed('guard'), '2 False Programmed on 2 of 3 nodes; lags: node-2');
    const [before] = cluster.conditions('guard');
    cluster.agents[1]!.isStuck = false;
    await cluster.run(30_000);
    assert.equal(cluster.programmed('guard'), '2 True Programmed on all 3 nodes');
    assert.equal(cluster.conditions('guard')[0]!.lastTransitionTime, before!.lastTransitionTime);
  });

  it('counts a node without an agent as one that lags (S10.28)', async () => {
    cluster.addNodes(names(2));
    cluster.addNodes(['virtual-1', 'virtual-2', 'virtual-3', 'virtual-4'], false);
    cluster.addPolicy('guard');
    await cluster.run(30_000);
    assert.equal(
      cluster.programmed('guard'),
      '1 False Programmed on 2 of 6 nodes; lags: virtual-1, virtual-2, virtual-3 and 1 more',
    );
  });

  it('says on which nodes the rules are left out (S10.28)', async () => {
    cluster.addNodes(names(2));
    cluster.agents[0]!.leftOut = ['/guard', 'shop/other'];
    cluster.addPolicy('guard');
    await cluster.run(30_000);
    const said = 'Programmed on 1 of 2 nodes; too large or refused by the kernel (see the Events): node-1';
    assert.equal(cluster.programmed('guard'), `1 False ${said}`);
  });

  it('names the field that Postern cannot enforce (S10.27)', async () => {
    cluster.addNodes(names(1));
    cluster.addPolicy('names', {
      egress: [{ action: 'Accept', to: [{ networks: ['10.0.0.0/8'] }, { domainNames: ['example.org'] }] }],
    });
    await cluster.run(30_000);
    const [accepted, programmed] = cluster.conditions('names');
    assert.deepEqual([accepted!.status, accepted!.reason], ['False', 'PartiallyInvalid']);
    assert.match(
      accepted!.message,
      /^Postern enforces this policy, but cannot .* spec\.egress\[0\]\.to\[1\]\.domainNames: /,
    );
    assert.equal(programmed!.status, 'True');
  });

  it('writes nothing without policies, and no status without a change (S10.30)', async () => {
    cluster.addNodes(names(3));
    await cluster.run(3_600_000);
    assert.equal(cluster.sent.length, 0);
    cluster.addPolicy('guard');
    await cluster.run(60_000);
    const before = cluster.sent.length;
    await cluster.run(3_600_000);
    const reads = (part: string): number =>
      cluster.sent.slice(before).filter(({ verb, path }) => verb === 'get' && path.includes(part)).length;
    assert.ok(reads('/node.') <= 3 * 7, `${reads('/node.')} looks at reports in an hour`);
    assert.ok(reads(leadLease) <= (2 * 3600) / 15, `${reads(leadLease)} looks at the Lease in an hour`);
    assert.ok(cluster.sent.length - before < 1000, `${cluster.sent.length - before} requests in an hour`);
    const since = cluster.sent.slice(before).filter(({ verb }) => verb !== 'get');
    assert.deepEqual([...new Set(since.map(({ path }) => path.split('/').at(-1)))], [leadLease]);
    assert.ok(since.length > 150 && since.length <= 3600 / 20, `${since.length} renewals in an hour`);
  });

  it('writes a report again that somebody has deleted or changed (S10.29)', async () => {
    cluster.addNodes(names(2));
    cluster.addPolicy('guard');
    await cluster.run(60_000);
    const { store } = cluster.server;
    const lease = (node: string) => ({ namespace, name: leaseNameOf(node) });
    const reports = (): unknown[] => names(2).map((node) => readLease(store.find('leases', lease(node))));
    const written = reports();
    store.delete('leases', lease('node-1'));
    const forged = { metadata: { annotations: { 'postern.dev/held': '' } }, spec: { holderIdentity: 'node-1' } };
    store.patch('leases', lease('node-2'), { type: 'merge', body: forged });
    assert.deepEqual(reports(), [undefined, undefined]);
    await cluster.run(900_000);
    assert.deepEqual(reports(), written);
  });

  it('goes on after a restart of all agents without a write of a status or a report (S10.30)', async () => {
    cluster.addNodes(names(2));
    for (let i = 0; i < 20; i++) cluster.addPolicy(`p${i}`, { priority: i });
    await cluster.run(120_000);
    assert.equal(cluster.programmed('p19'), '1 True Programmed on all 2 nodes');
    for (const agent of cluster.agents.splice(0)) {
      agent.die();
      cluster.agents.push(new StatusAgent(cluster, agent.node));
    }
    cluster.sent.length = 0;
    await cluster.run(300_000);
    assert.equal(cluster.elected.length, 1);
    assert.deepEqual([...new Set(cluster.writes().map(({ path }) => path.split('/').at(-1)))], [leadLease]);
  });

  it('is written by another agent after the elected one has died (S10.30)', async () => {
    cluster.addNodes(names(3));
    cluster.addPolicy('guard');
    await cluster.run(30_000);
    const [dead] = cluster.elected;
    cluster.agents.find(({ node }) => node === dead)!.die();
    cluster.changePolicy('guard', { priority: 11 });
    await cluster.run(45_000);
    assert.equal(cluster.programmed('guard').startsWith('1 '), true, 'not before the Lease has expired');
    await cluster.run(75_000);
    assert.equal(cluster.elected.length, 1);
    assert.notEqual(cluster.elected[0], dead);
    assert.equal(cluster.programmed('guard'), `2 False Programmed on 2 of 3 nodes; lags: ${dead}`);
  });

  it('is written by one agent at most, although the Lease claims otherwise (S10.30)', async () => {
    cluster.addNodes(names(5));
    cluster.addPolicy('guard');
    for (let i = 0; i < 200; i++) {
      await cluster.run(1000);
      assert.ok(cluster.elected.length <= 1, cluster.elected.join());
    }
    // A Lease that nobody renews, which claims to last for a century.
    const spec = {
      holderIdentity: 'nobody',
      leaseDurationSeconds: 2 ** 31 - 1,
      renewTime: '2126-01-01T00:00:00.000000Z',
    };
    cluster.server.store.patch('leases', { namespace, name: leadLease }, { type: 'merge', body: { spec } });
    cluster.changePolicy('guard', { priority: 11 });
    await cluster.run(120_000);
    assert.equal(cluster.programmed('guard'), '2 True Programmed on all 5 nodes');
  });

  it('keeps the conditions of other programs, and writes nothing over what it has not seen (S10.27)', async () => {
    cluster.addNodes(names(1));
    cluster.addPolicy('guard');
    const other = {
      type: 'Other',
      status: 'True',
      reason: 'R',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const patch = { type: 'merge', body: { status: { conditions: [other] } } } as const;
    await cluster.run(0);
    cluster.agents[0]!.isBlind = true;
    cluster.server.store.patch('clusternetworkpolicies', { name: 'guard' }, patch, { subresource: 'status' });
    await cluster.run(20_000);
    assert.deepEqual(cluster.conditions('guard'), [other]);
    cluster.agents[0]!.isBlind = false;
    await cluster.run(20_000);
    assert.deepEqual(
      cluster.conditions('guard').map(({ type }) => type),
      ['Other', 'Accepted', 'Programmed'],
    );
  });

  it('does not struggle with a program that undoes each write (S10.30)', async () => {
    cluster.addNodes(names(1));
    cluster.addPolicy('guard');
    const undo = { type: 'merge', body: { status: { conditions: [] } } } as const;
    for (let i = 0; i < 3600; i++) {
      await cluster.run(1000);
      cluster.server.store.patch('clusternetworkpolicies', { name: 'guard' }, undo, { subresource: 'status' });
    }
    assert.ok(cluster.statusWrites.length <= 12, `${cluster.statusWrites.length} writes in an hour`);
  });

  it('writes 1,000 policies at 5 statuses a second at most, and fewer in a cluster of 1,000 nodes (S10.30)', async () => {
    cluster.addNodes(names(1));
    for (let i = 0; i < 1000; i++) cluster.addPolicy(`p${i}`, { priority: i });
    await cluster.run(60_000);
    const { length } = cluster.statusWrites;
    assert.ok(length > 250 && length <= 10 + 60 * 5, `${length} writes in a minute`);
    cluster.addNodes(
      Array.from({ length: 999 }, (_, index) => `far-${index}`),
      false,
    );
    cluster.sent.length = 0;
    await cluster.run(60_000);
    assert.ok(cluster.statusWrites.length <= 10 + 60 * 0.5, `${cluster.statusWrites.length} writes in a minute`);
    assert.ok(cluster.statusWrites.length >= 25);
  });

  it('spreads the reports of many nodes (S10.29)', async () => {
    cluster.addNodes(names(100));
    cluster.addPolicy('guard');
    await cluster.run(30_000);
    const reports = cluster.writes('/leases').filter(({ path, verb }) => verb === 'create' || path.includes('/node.'));
    assert.ok(reports.length >= 100);
    assert.equal(cluster.programmed('guard'), '1 True Programmed on all 100 nodes');
    cluster.sent.length = 0;
    for (let i = 0; i < 60; i++) {
      cluster.changePolicy('guard', { priority: i + 100 });
      await cluster.run(1000);
    }
    const perSecond = cluster.writes('/node.').length / 60;
    assert.ok(perSecond <= 20.5, `${perSecond} reports a second`);
  });

  it('goes on with the others where a policy is gone or its status is refused, and does not ask again at once (S10.30)', async () => {
    cluster.addNodes(names(1));
    cluster.addPolicy('gone');
    cluster.addPolicy('kept');
    cluster.addPolicy('odd');
    cluster.refuse = ({ path }) => {
      if (path.endsWith('gone/status')) return new ApiError('refused', 'not found', { status: 404 });
      if (path.endsWith('odd/status')) return new ApiError('refused', 'invalid', { status: 422 });
      return undefined;
    };
    await cluster.run(20_000);
    assert.equal(cluster.programmed('kept'), '1 True Programmed on all 1 node');
    assert.deepEqual(cluster.agents[0]!.refused, ['odd']);
    assert.equal(cluster.statusWrites.length, 3);
    assert.deepEqual(cluster.agents[0]!.failures, []);
  });

  it('goes on with the others where every write of one status fails (S10.30)', async () => {
    cluster.addNodes(names(1));
    for (const name of ['a', 'b', 'c']) cluster.addPolicy(name);
    cluster.refuse = ({ path }) =>
      path.endsWith('a/status') ? new ApiError('refused', 'a webhook failed', { status: 500 }) : undefined;
    await cluster.run(120_000);
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => cluster.conditions(name).length),
      [0, 2, 2],
    );
  });

  it('leaves a status alone that has too many conditions to keep, and says so', async () => {
    cluster.addNodes(names(1));
    cluster.addPolicy('full');
    const conditions = Array.from({ length: 17 }, (_, index) => {
      const at = '2026-01-01T00:00:00Z';
      return { type: `T${index}`, status: 'True', reason: 'R', message: '', lastTransitionTime: at };
    });
    const patch = { type: 'merge', body: { status: { conditions } } } as const;
    cluster.server.store.patch('clusternetworkpolicies', { name: 'full' }, patch, { subresource: 'status' });
    await cluster.run(20_000);
    assert.equal(cluster.conditions('full').length, 17);
    assert.deepEqual(cluster.agents[0]!.refused, ['full']);
  });
});
