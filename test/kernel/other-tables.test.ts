import { afterEach, it } from 'mocha';
import { onEachCni } from './cluster.ts';
import { pods, policy, port } from './policies.ts';

onEachCni('tables of other programs', (cluster) => {
  /** Gives n1, the node of x/p, this table instead of the one before. */
  const write = (content: string) =>
    cluster().lab.exec(
      'node/n1',
      'nft',
      `table inet theirs; delete table inet theirs; table inet theirs { ${content} }`,
    );
  afterEach(() => write(''));

  const ask = (port: string, answer: string) => cluster().expect([{ from: 'peers/far', to: 'x/p', port, answer }]);

  it('override no drop by accepting, and keep their own drops (S6.9)', async () => {
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [pods({}, { team: 'peers' })], ports: [port('TCP/80')] }] }),
    );
    await ask('TCP/80', 'x/p');
    for (const priority of [-200, 0, 200]) {
      await write(`chain c { type filter hook forward priority ${priority}; policy accept; accept; };`);
      await ask('TCP/8080', 'timeout');
      await write(`chain c { type filter hook forward priority ${priority}; policy accept; tcp dport 80 drop; };`);
      await ask('TCP/80', 'timeout');
    }
  });

  it('masquerade what leaves a pod only after its egress was checked (S6.11)', async () => {
    const toOutside = (answer: string) =>
      cluster().expect([{ from: 'x/p', to: 'host/outside', port: 'TCP/80', family: 'ipv4', answer }]);
    await write('chain c { type nat hook postrouting priority srcnat; ip daddr 10.9.0.1 masquerade; };');
    await toOutside('host/outside');
    await cluster().apply(policy('x', 'deny', { egress: [] }));
    await toOutside('timeout');
    await cluster().apply(policy('x', 'open', { egress: [{ ports: [port('TCP/80')] }] }));
    await toOutside('host/outside');
  });
});
