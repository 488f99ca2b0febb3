import { it } from 'mocha';
import { familyOf } from '../../src/model/address.ts';
import { families, onEachCni } from '../kernel/cluster.ts';
import { policy } from '../kernel/policies.ts';

onEachCni('egress to all addresses but some (replay of Cilium #47827)', (cluster) => {
  it('reaches pods and nodes outside of the except, and none within', async () => {
    const hidden = families.map((family) => cluster().address('peers/near', family));
    const blocks = hidden.map((address) => {
      const is4 = familyOf(address) === 'ipv4';
      return { ipBlock: { cidr: is4 ? '0.0.0.0/0' : '::/0', except: [`${address}/${is4 ? 32 : 128}`] } };
    });
    await cluster().apply(policy('x', 'out', { egress: [{ to: blocks }] }));
    await cluster().expect([
      { from: 'x/p', to: 'peers/near', port: 'TCP/80', answer: 'timeout' },
      { from: 'x/p', to: 'peers/near', port: 'UDP/53', answer: 'timeout' },
      ...['peers/far', 'others/stranger', 'host/outside'].map((to) => ({
        from: 'x/p',
        to,
        port: 'TCP/80',
        answer: to,
      })),
      // The own node, the other one, and a pod on the host network.
      { from: 'x/p', to: 'x/on-node', port: 'TCP/9100', answer: 'x/on-node' },
      { from: 'x/p', to: 'x/on-node', port: 'UDP/9053', answer: 'x/on-node' },
      { from: 'x/p', to: 'node/n1', port: 'icmp', answer: 'node/n1' },
      { from: 'x/p', to: 'node/n2', port: 'icmp', answer: 'node/n2' },
    ]);
    // And nothing else once the block is of one family.
    await cluster().apply(policy('x', 'out', { egress: [{ to: blocks.slice(0, 1) }] }));
    await cluster().expect([
      { from: 'x/p', to: 'peers/far', port: 'TCP/80', family: 'ipv4', answer: 'peers/far' },
      { from: 'x/p', to: 'peers/far', port: 'TCP/80', family: 'ipv6', answer: 'timeout' },
    ]);
  });
});
