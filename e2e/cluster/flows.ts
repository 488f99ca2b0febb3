import assert from 'node:assert/strict';
import type { Flow } from '../../src/lab/flow.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Cluster } from './cluster.ts';

/** Opens a TCP and a UDP connection from each station, in each family, which send continuously. */
export async function openFlows(
  cluster: Cluster,
  from: readonly string[],
  to: string,
  port: number,
  protocols: readonly ('TCP' | 'UDP')[] = ['TCP', 'UDP'],
): Promise<Flow[]> {
  const all = from.flatMap((from) =>
    cluster.families.flatMap((family) =>
      protocols.map((protocol) => cluster.openFlow(from, to, { protocol, port, family, rate: 100 })),
    ),
  );
  return Promise.all(all);
}

/** Waits until each flow has received so many more packets. */
export async function untilMore(flows: readonly Flow[], packets: number): Promise<void> {
  const before = await received(flows);
  // TCP retransmits at growing intervals.
  await eventually(async () => {
    const now = await received(flows);
    const slow = now.filter((count, index) => count < before[index]! + packets).length;
    return slow === 0 ? undefined : `${slow} of ${flows.length} connections do not go on`;
  }, 60);
}

/** Expects that no packet arrives that is sent from now on. */
export async function expectSilence(flows: readonly Flow[]): Promise<void> {
  const before = await Promise.all(flows.map((flow) => flow.state()));
  await eventually(async () => {
    const now = await Promise.all(flows.map((flow) => flow.state()));
    const sent = now.map(({ client }, index) => client.sent - before[index]!.client.sent);
    return sent.every((count) => count >= 50) ? undefined : `sent so far: ${sent.join()}`;
  });
  assert.deepEqual(
    await received(flows),
    before.map(({ server }) => server.received),
  );
}

/** Pauses both ends. Expects that all packets of the client arrived and that TCP is still open. */
export async function expectNothingLost(flows: readonly Flow[]): Promise<void> {
  await Promise.all(flows.map((flow) => flow.pause()));
  await eventually(async () => {
    const states = await Promise.all(flows.map((flow) => flow.state()));
    const lost = states.map(({ client, server }) => client.sent - server.distinct);
    return lost.every((count) => count === 0) ? undefined : `packets that did not come: ${lost.join()}`;
  }, 10);
  for (const { client } of await Promise.all(flows.map((flow) => flow.state()))) assert.equal(client.closed, null);
  await Promise.all(flows.map((flow) => flow.close()));
}

async function received(flows: readonly Flow[]): Promise<number[]> {
  return (await Promise.all(flows.map((flow) => flow.state()))).map(({ server }) => server.received);
}
