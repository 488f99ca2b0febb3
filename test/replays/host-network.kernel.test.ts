import assert from 'node:assert/strict';
import { it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { families, onEachCni } from '../kernel/cluster.ts';
import { pods, policy } from '../kernel/policies.ts';
import { pod } from '../lab/objects.ts';

/** Of its namespace, `on-node` is on the host network of n1. */
const all = policy('x', 'all', { ingress: [], egress: [] });

onEachCni('a pod on the host network (replay of KNP #389, AWS agent f339dac, dc44b7e, Antrea #8042)', (cluster) => {
  it('is not isolated with its namespace, nor is its node', async () => {
    await cluster().apply(all);
    const free = ['peers/near', 'peers/far', 'others/stranger', 'node/n2'];
    await cluster().expect([
      ...free.map((from) => ({ from, to: 'x/on-node', port: 'TCP/9100', answer: 'x/on-node' })),
      ...['peers/near', 'peers/far'].map((to) => ({ from: 'x/on-node', to, port: 'TCP/80', answer: to })),
      // What the policy does isolate.
      ...free.slice(0, 3).map((from) => ({ from, to: 'x/p', port: 'TCP/80', answer: 'timeout' })),
    ]);
    // What the guard knows of nodes (S1.17, S1.18) isolates nobody.
    const listed = await cluster().lab.exec('node/n1', 'nft', 'list', 'ruleset');
    const table = listed.replaceAll(/\tset (node-ips6|other-node-ips[46]) \{[^]*?\n\t\}/g, '');
    for (const family of families) {
      const address = cluster().address('node/n1', family);
      assert.ok(!new RegExp(`[ {]${address.replaceAll('.', '\\.')}[ ,}]`).test(table), `${address} is in a set`);
    }
  });

  it('is a member of no group: a rule for its labels lets nothing of its node in', async () => {
    const { lab } = cluster();
    // The pod on n1 would not do: from there everything passes (S5.1).
    const other = pod('x', 'on-other', ['TCP/9200'], { nodeName: 'n2', hostNetwork: true });
    const fromIt = policy('x', 'from-it', { pods: { pod: 'p' }, ingress: [{ from: [pods({ pod: 'on-other' })] }] });
    await cluster().apply(all, fromIt, other);
    try {
      await cluster().expect(
        ['x/on-other', 'node/n2'].map((from) => ({ from, to: 'x/p', port: 'TCP/80', answer: 'timeout' })),
      );
    } finally {
      lab.store.delete('pods', { namespace: 'x', name: 'on-other' });
      await lab.settle();
    }
  });

  it('is said to be so by what explain says', async () => {
    await cluster().apply(all);
    const { ingress, egress } = evaluate(prepareCluster(await cluster().lab.settledObjects()), {
      source: { pod: 'peers/far' },
      destination: { pod: 'x/on-node' },
      protocol: 'TCP',
      destinationPort: 9100,
      family: 'ipv4',
    });
    assert.match(ingress.reason, /policies do not apply to nodes and hostNetwork pods/);
    assert.deepEqual([ingress.verdict, egress.verdict], ['allowed', 'allowed']);
  });
});
