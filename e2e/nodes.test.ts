import { it } from 'mocha';
import { fieldAt, listAt } from '../src/lab/api/object.ts';
import { block, policy, port } from '../test/kernel/policies.ts';
import { eventually } from '../test/kernel/eventually.ts';
import { skipTest } from '../test/support/skip.ts';
import { nodePod, nodePorts } from './cluster/cast.ts';
import { onCluster } from './cluster/cluster.ts';

const deny = policy('x', 'deny', { ingress: [], egress: [] });
const protocols = ['TCP/80', 'UDP/80', 'SCTP/80', 'icmp'];

onCluster('nodes', (cluster) => {
  const nodeBlocks = async (index: number) =>
    (await cluster().nodeAddresses(index)).map((address) => block(`${address}/${address.includes(':') ? 128 : 32}`));

  it('always reach their own pods, and reach other pods only if policies allow it (S5.1, S3.15)', async () => {
    const ask = (from: string, to: string, answer: string) => protocols.map((port) => ({ from, to, port, answer }));
    await cluster().apply(deny);
    await cluster().expect([
      ...ask(nodePod(0), 'x/a', 'x/a'),
      ...ask(nodePod(1), 'x/b', 'x/b'),
      ...ask(nodePod(1), 'x/a', 'timeout'),
      ...ask(nodePod(0), 'x/b', 'timeout'),
    ]);
    await cluster().apply(policy('x', 'other-node', { pods: { pod: 'a' }, ingress: [{ from: await nodeBlocks(1) }] }));
    await cluster().expect([...ask(nodePod(1), 'x/a', 'x/a'), ...ask(nodePod(0), 'x/b', 'timeout')]);
  });

  it('get answers to probes from a pod that denies everything else', async function () {
    if (!cluster().target.hasKubelet) skipTest(this, 'the kubelet of the lab probes nothing');
    const [node] = cluster().target.nodes;
    // A probe makes the pod ready, so the policy must exist first.
    await cluster().apply(deny);
    const probe = { tcpSocket: { port: 80 }, periodSeconds: 1, failureThreshold: 1 };
    await cluster().apply(cluster().pod('x/probed', { node, ports: ['TCP/80'], container: { readinessProbe: probe } }));
    await eventually(async () => {
      const pod = await cluster().objects.find('Pod', { namespace: 'x', name: 'probed' });
      const ready = listAt(pod, 'status', 'conditions').find((each) => fieldAt(each, 'type') === 'Ready');
      return fieldAt(ready, 'status') === 'True' ? undefined : `x/probed is not ready: ${JSON.stringify(ready)}`;
    }, 30);
    await cluster().expect([{ from: 'y/a', to: 'x/probed', port: 'TCP/80', answer: 'timeout' }]);
  });

  it('are subject to egress policies as destinations, also for their own pods (S5.7)', async () => {
    const addresses = await cluster().nodeAddresses(0);
    const ask = (from: string, tcp: string, udp: string) =>
      addresses.flatMap((to) => [
        { from, to, port: `TCP/${nodePorts.tcp}`, answer: tcp },
        { from, to, port: `UDP/${nodePorts.udp}`, answer: udp },
      ]);
    const node = nodePod(0);
    await cluster().expect([...ask('x/a', node, node), ...ask('x/b', node, node)]);
    await cluster().apply(deny);
    await cluster().expect([...ask('x/a', 'timeout', 'timeout'), ...ask('x/b', 'timeout', 'timeout')]);
    // For example a DNS cache on the node.
    const to = await nodeBlocks(0);
    await cluster().apply(policy('x', 'dns', { egress: [{ to, ports: [port(`UDP/${nodePorts.udp}`)] }] }));
    await cluster().expect([...ask('x/a', 'timeout', node), ...ask('x/b', 'timeout', node), ...ask('y/a', node, node)]);
  });
});
