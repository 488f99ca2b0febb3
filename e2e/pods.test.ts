import { it } from 'mocha';
import { pods, policy } from '../test/kernel/policies.ts';
import { onCluster } from './cluster/cluster.ts';

onCluster('pods', (cluster) => {
  it('that have ended match no selector, even if they still have an address (S1.4, S1.9)', async () => {
    const { families, objects } = cluster();
    const podIPs = families.map((family) => ({ ip: cluster().address('y/b', family) }));
    const done = cluster().pod('z/done', { node: 'gone', labels: { role: 'friend' }, ports: [] });
    await objects.apply(done);
    await objects.patch(
      'Pod',
      { namespace: 'z', name: 'done' },
      { status: { phase: 'Succeeded', podIP: podIPs[0]!.ip, podIPs } },
      'status',
    );
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [pods({ role: 'friend' })] }] }));
    await cluster().expect([{ from: 'y/b', to: 'x/a', port: 'TCP/80', answer: 'timeout' }]);
    // A finished pod must not restrict the address of a running pod.
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [pods({ pod: 'b' }, { ns: 'y' })] }] }));
    await cluster().expect([{ from: 'y/b', to: 'x/a', port: 'TCP/80', answer: 'x/a' }]);
  });

  it('that start later are isolated and allowed like earlier pods', async () => {
    await cluster().apply(
      policy('x', 'p', { pods: { role: 'server' }, ingress: [{ from: [pods({ role: 'client' }, { ns: 'y' })] }] }),
    );
    const [first, second] = cluster().target.nodes;
    await cluster().apply(
      cluster().pod('x/late', { node: first, labels: { role: 'server' }, ports: ['TCP/80'] }),
      cluster().pod('y/late', { node: second, labels: { role: 'client' }, ports: ['TCP/80'] }),
    );
    await cluster().expect([
      { from: 'y/late', to: 'x/late', port: 'TCP/80', answer: 'x/late' },
      { from: 'y/b', to: 'x/late', port: 'TCP/80', answer: 'timeout' },
    ]);
  });
});
