import { it } from 'mocha';
import { fieldAt, listAt } from '../src/lab/api/object.ts';
import { service } from '../test/lab/objects.ts';
import { block, pods, policy, port } from '../test/kernel/policies.ts';
import { nodePod } from './cluster/cast.ts';
import { onCluster } from './cluster/cluster.ts';

const deny = policy('x', 'deny', { ingress: [], egress: [] });

onCluster('Services', (cluster) => {
  it('are evaluated at the endpoint, never by their own address (S3.14, S6.1, S6.2)', async () => {
    const addresses = await cluster().serviceAddresses('x/a');
    const ask = (answer: string) =>
      ['y/a', 'y/b'].flatMap((from) => addresses.map((to) => ({ from, to, port: 'TCP/80', answer })));
    await cluster().expect(ask('x/a'));
    const own = addresses.map((address) => block(`${address}/${address.includes(':') ? 128 : 32}`));
    await cluster().apply(policy('y', 'clients', { egress: [{ to: own }] }));
    await cluster().expect(ask('timeout'));
    await cluster().apply(
      policy('y', 'clients', { egress: [{ to: [pods({ pod: 'a' }, { ns: 'x' })], ports: [port('TCP/80')] }] }),
    );
    await cluster().expect(ask('x/a'));
  });

  it('let an isolated pod reach itself (S5.5), and let its own node reach it (S6.T8)', async () => {
    const addresses = await cluster().serviceAddresses('x/a');
    await cluster().apply(deny);
    const ask = (from: string, answer: string) =>
      addresses.flatMap((to) => ['TCP/80', 'UDP/81'].map((port) => ({ from, to, port, answer })));
    await cluster().expect([
      ...ask('x/a', 'x/a'),
      ...ask(nodePod(0), 'x/a'),
      ...ask(nodePod(1), 'timeout'),
      ...ask('x/b', 'timeout'),
      ...ask('y/a', 'timeout'),
    ]);
  });

  it('on a node port show the client to its own node only (S6.T9)', async () => {
    const web = service('x', 'node-port', {
      type: 'NodePort',
      ipFamilyPolicy: 'PreferDualStack',
      selector: { pod: 'a' },
      ports: [{ port: 8080, targetPort: 80, protocol: 'TCP' }],
    });
    await cluster().apply(web);
    const [port] = listAt(
      await cluster().objects.find('Service', { namespace: 'x', name: 'node-port' }),
      'spec',
      'ports',
    );
    const number = Number(fieldAt(port, 'nodePort'));
    const [first, second] = [await cluster().nodeAddresses(0), await cluster().nodeAddresses(1)];
    const ask = (from: string, addresses: readonly string[], answer: string) =>
      addresses.map((to) => ({ from, to, port: `TCP/${number}`, answer }));
    // x/a and y/a are on the first node, y/b on the second.
    await cluster().expect(
      ['y/a', 'y/b', nodePod(0), nodePod(1)].flatMap((from) => [
        ...ask(from, first, 'x/a'),
        ...ask(from, second, 'x/a'),
      ]),
    );
    await cluster().apply(policy('x', 'p', { pods: { pod: 'a' }, ingress: [{ from: [pods({}, { ns: 'y' })] }] }));
    await cluster().expect([
      ...ask('y/a', first, 'x/a'),
      ...ask('y/b', second, 'timeout'),
      ...ask('y/a', second, 'timeout'),
      ...ask(nodePod(0), first, 'x/a'),
      ...ask(nodePod(1), second, 'timeout'),
    ]);
    const from = second.map((address) => block(`${address}/${address.includes(':') ? 128 : 32}`));
    await cluster().apply(policy('x', 'p', { pods: { pod: 'a' }, ingress: [{ from }] }));
    await cluster().expect([
      ...ask('y/a', first, 'timeout'),
      ...ask('y/b', second, 'x/a'),
      ...ask('y/a', second, 'x/a'),
      ...ask(nodePod(1), second, 'x/a'),
    ]);
  });
});
