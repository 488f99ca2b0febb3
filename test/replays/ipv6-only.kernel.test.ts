import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { Cluster, needMachine } from '../kernel/cluster.ts';
import { pods, policy, port } from '../kernel/policies.ts';
import { nameLab } from '../support/lab-name.ts';

const pairs = [
  ['peers/near', 'x/p'],
  ['peers/far', 'x/p'],
  ['x/p', 'peers/near'],
  ['x/p', 'peers/far'],
] as const;

for (const cni of labCnis) {
  describe(`a cluster of IPv6 alone, all denied but one port (S8.5; replay of kube-router #1895, #1913) (kernel, ${cni})`, function () {
    this.timeout(120_000);
    let cluster: Cluster;
    before(async function () {
      await needMachine(this, cni);
      cluster = await Cluster.up({ name: nameLab(`six${cni}`), cni, family: 'ipv6' });
      const web = { ports: [port('TCP/80')] };
      const anybody = [pods({}, {})];
      for (const namespace of ['x', 'peers']) {
        await cluster.apply(
          policy(namespace, 'deny', { ingress: [], egress: [] }),
          policy(namespace, 'web', { ingress: [{ from: anybody, ...web }], egress: [{ to: anybody, ...web }] }),
        );
      }
    });
    after(() => cluster?.lab.down());

    it('the first connection works after the neighbour caches of both ends are emptied', async () => {
      for (const [from, to] of pairs) {
        await forgetNeighbours(cluster);
        const address = cluster.address(to, 'ipv6');
        const target = { protocol: 'TCP', address, port: 80 } as const;
        const denied = { ...target, port: 8080 };
        const once = { tries: 1, deadlineMs: 5000 };
        const { process } = cluster.lab.station(from);
        assert.deepEqual(await process.probe([target], once), [{ identity: to }], `${from} → ${to}`);
        assert.deepEqual(await process.probe([denied], { tries: 1, deadlineMs: 500 }), [{ error: 'timeout' }]);
      }
    });
  });
}

async function forgetNeighbours({ lab }: Cluster): Promise<void> {
  const keys = ['x/p', 'peers/near', 'peers/far', 'node/n1', 'node/n2'];
  await Promise.all(keys.map((key) => lab.exec(key, 'ip', '-6', 'neighbour', 'flush', 'all')));
}
