import assert from 'node:assert/strict';
import { it } from 'mocha';
import { families, onEachCni } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { block, policy, port } from '../kernel/policies.ts';

/** Packets a second of each flow. */
const rate = 200;

onEachCni('a pod that two policies isolate for ingress (replay of AWS agent #591)', (cluster) => {
  it('keeps its egress while they go, one and then the other: no packet of it is lost', async () => {
    const { lab } = cluster();
    const first = policy('x', 'first', { ingress: [{ from: [block('10.77.0.0/16')], ports: [port('TCP/80')] }] });
    const second = policy('x', 'second', { pods: { pod: 'p' }, ingress: [] });
    await cluster().apply(first, second);
    const targets = ['peers/near', 'peers/far', 'others/stranger'];
    const open = (protocol: 'UDP' | 'TCP') =>
      targets.flatMap((to) =>
        families.map((family) => lab.openFlow('x/p', to, { protocol, port: 5000, family, rate, echo: true })),
      );
    const flows = await Promise.all([...open('UDP'), ...open('TCP')]);
    const progress = async (): Promise<void> => {
      const before = await Promise.all(flows.map((flow) => flow.state()));
      await eventually(async () => {
        const now = await Promise.all(flows.map((flow) => flow.state()));
        const slow = now.findIndex(({ client }, index) => client.distinct < before[index]!.client.distinct + 20);
        return slow < 0 ? undefined : `flow ${slow} gets no answers`;
      });
    };
    // In each order, and each goes and comes back.
    for (const order of [
      [first, second],
      [second, first],
    ]) {
      await progress();
      for (const each of order) {
        await cluster().remove(each);
        await progress();
      }
      await cluster().apply(first, second);
    }
    const paused = await Promise.all(flows.map((flow) => flow.pause()));
    await eventually(async () => {
      const now = await Promise.all(flows.map((flow) => flow.state()));
      const lost = now.map(({ client, server }, index) => {
        // What a server of UDP echoes is what came to it.
        const answers = server.sent === 0 ? server.distinct : server.sent;
        return [paused[index]!.client.sent - server.distinct, answers - client.distinct];
      });
      return lost.flat().every((count) => count === 0)
        ? undefined
        : `lost on the way and back: ${JSON.stringify(lost)}`;
    });
    await Promise.all(flows.map((flow) => flow.close()));

    // The policies were in force: nobody came in.
    await cluster().expect(targets.map((from) => ({ from, to: 'x/p', port: 'TCP/8080', answer: 'timeout' })));
    assert.ok(paused.every(({ client }) => client.sent > 100));
  });
});
