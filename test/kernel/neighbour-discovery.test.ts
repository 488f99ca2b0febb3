import assert from 'node:assert/strict';
import { it } from 'mocha';
import { onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { pods, policy, port } from './policies.ts';

onEachCni('IPv6 with a cold neighbour cache (S5.8, S8.6)', (cluster) => {
  const questions = (answers: { allowed: string }) =>
    [
      ['peers/near', 'x/p'],
      ['peers/far', 'x/p'],
      ['x/p', 'peers/near'],
    ].map(([from, to]) => ({
      from: from!,
      to: to!,
      port: 'TCP/80',
      family: 'ipv6' as const,
      answer: answers.allowed === 'timeout' ? 'timeout' : to!,
    }));

  it('works between isolated pods, and only because neighbour discovery is not judged', async () => {
    const rule = { ports: [port('TCP/80')] };
    const peers = [pods({}, {})];
    for (const namespace of ['x', 'peers']) {
      await cluster().apply(
        policy(namespace, 'deny', { ingress: [], egress: [] }),
        policy(namespace, 'web', { ingress: [{ from: peers, ...rule }], egress: [{ to: peers, ...rule }] }),
      );
    }
    await forgetNeighbours(cluster());
    await cluster().expect(questions({ allowed: 'yes' }));

    // An agent would put the rule back within a second.
    for (const agent of cluster().lab.agents.values()) await agent.stop();
    for (const node of ['n1', 'n2']) await deleteNeighbourRule(cluster(), node);
    await forgetNeighbours(cluster());
    await cluster().expect(questions({ allowed: 'timeout' }));

    for (const agent of cluster().lab.agents.values()) await agent.start();
    await cluster().lab.settle();
    await forgetNeighbours(cluster());
    await cluster().expect(questions({ allowed: 'yes' }));
  });
});

async function forgetNeighbours({ lab }: Cluster): Promise<void> {
  const keys = ['x/p', 'peers/near', 'peers/far', 'node/n1', 'node/n2'];
  await Promise.all(keys.map((key) => lab.exec(key, 'ip', '-6', 'neighbour', 'flush', 'all')));
}

async function deleteNeighbourRule({ lab }: Cluster, node: string): Promise<void> {
  const listing = await lab.exec(`node/${node}`, 'nft', '-a', 'list', 'chain', 'ip6', 'postern', 'not-established');
  const handle = /neighbour discovery".* handle ([0-9]+)/.exec(listing)?.[1];
  assert.ok(handle, listing);
  await lab.exec(`node/${node}`, 'nft', 'delete', 'rule', 'ip6', 'postern', 'not-established', 'handle', handle);
}
