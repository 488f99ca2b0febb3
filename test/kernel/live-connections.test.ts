import assert from 'node:assert/strict';
import { after, before, it } from 'mocha';
import type { Flow, FlowState } from '../../src/lab/flow.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { policy, port } from './policies.ts';

const peers = ['peers/near', 'peers/far'];
const services = [port('TCP/5000'), port('UDP/5000')];
/** Pods of x with `guarded` may talk to pods with `friend` in namespaces with `team`. */
const friends = {
  podSelector: { matchLabels: { friend: 'yes' } },
  namespaceSelector: { matchLabels: { team: 'peers' } },
};
const deny = policy('x', 'deny', { ingress: [], egress: [] });
const allow = policy('x', 'allow', {
  pods: { guarded: 'yes' },
  ingress: [{ from: [friends], ports: services }],
  egress: [{ to: [friends], ports: services }],
});
const allowOther = policy('x', 'allow', {
  pods: { guarded: 'yes' },
  ingress: [{ from: [friends], ports: [port('TCP/80'), port('UDP/53')] }],
  egress: [{ to: [friends], ports: [port('TCP/80'), port('UDP/53')] }],
});

const everyone = [{ namespaces: {} }];
const guard = {
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name: 'guard' },
  spec: {
    tier: 'Admin',
    priority: 1,
    subject: { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } } },
    ingress: [{ action: 'Deny', from: everyone }],
    egress: [{ action: 'Deny', to: everyone }],
  },
};

/** What takes the permission away from connections of x/p with its peers, in both directions, and what gives it back. */
const revocations: Readonly<
  Record<string, { revoke: (c: Cluster) => Promise<void>; restore: (c: Cluster) => Promise<void> }>
> = {
  'another port in the policy': {
    revoke: (cluster) => cluster.apply(allowOther),
    restore: (cluster) => cluster.apply(allow),
  },
  'deletion of the policy that allows': {
    revoke: (cluster) => cluster.remove(allow),
    restore: (cluster) => cluster.apply(allow),
  },
  'a ClusterNetworkPolicy that denies (S10.25)': {
    revoke: (cluster) => cluster.apply(guard),
    restore: (cluster) => cluster.remove(guard),
  },
  'a label of the isolated pod': {
    revoke: (cluster) => cluster.label('x/p', {}),
    restore: (cluster) => cluster.label('x/p', { guarded: 'yes' }),
  },
  'a label of the peers': {
    revoke: async (cluster) => void (await Promise.all(peers.map((peer) => cluster.label(peer, { friend: 'no' })))),
    restore: async (cluster) => void (await Promise.all(peers.map((peer) => cluster.label(peer, { friend: 'yes' })))),
  },
  'a label of the namespace of the peers': {
    revoke: (cluster) => cluster.label('peers', {}),
    restore: (cluster) => cluster.label('peers', { team: 'peers' }),
  },
};

onEachCni('live connections (S5.11-S5.15)', (cluster) => {
  // A stall of several retransmissions then takes less than a second, and so does the end of it.
  before(() => setFirstRetransmission(cluster(), 50));
  after(() => setFirstRetransmission(cluster(), 200));

  for (const [what, { revoke, restore }] of Object.entries(revocations)) {
    it(`stall in both directions when revoked by ${what}, and resume when allowed again`, async () => {
      for (const peer of peers) await cluster().label(peer, { friend: 'yes' });
      await cluster().label('x/p', { guarded: 'yes' });
      await cluster().apply(deny, allow);
      const flows = await openFlows(cluster());
      await assertProgress(flows);

      await revoke(cluster());
      await assertStalled(cluster(), flows);
      await restore(cluster());
      await assertProgress(flows);
      await Promise.all([...flows.values()].map((flow) => flow.close()));
    });
  }
});

/** Each peer with x/p: who opens, IPv4 and IPv6, TCP that streams both ways and UDP that is echoed. */
async function openFlows({ lab }: Cluster): Promise<ReadonlyMap<string, Flow>> {
  const opened = peers.flatMap((peer) =>
    [
      [peer, 'x/p'],
      ['x/p', peer],
    ].flatMap(([from, to]) =>
      families.flatMap((family) =>
        (['TCP', 'UDP'] as const).map(async (protocol): Promise<[string, Flow]> => {
          const flow = await lab.openFlow(from!, to!, { protocol, port: 5000, family, rate: 50, echo: true });
          return [`${from} → ${to} ${protocol} ${family}`, flow];
        }),
      ),
    ),
  );
  return new Map(await Promise.all(opened));
}

async function statesOf(flows: ReadonlyMap<string, Flow>): Promise<Map<string, FlowState>> {
  return new Map(await Promise.all([...flows].map(async ([name, flow]) => [name, await flow.state()] as const)));
}

/** Something new has come to both ends of every flow, and nothing is missing of what TCP promised. */
async function assertProgress(flows: ReadonlyMap<string, Flow>): Promise<void> {
  const before = await statesOf(flows);
  await eventually(async () => {
    for (const [name, { client, server }] of await statesOf(flows)) {
      assert.deepEqual([client.closed, server.closed], [null, null], name);
      const was = before.get(name)!;
      if (client.received < was.client.received + 5) return `${name}: nothing comes to the client`;
      if (server.received < was.server.received + 5) return `${name}: nothing comes to the server`;
      if (!name.includes('TCP')) continue;
      assert.deepEqual([client.distinct, server.distinct], [client.highest, server.highest], name);
    }
    return undefined;
    // TCP sends again only after as long as it has waited before.
  }, 120);
}

/** Not a byte comes to any end while all of them send again and again. */
async function assertStalled(cluster: Cluster, flows: ReadonlyMap<string, Flow>): Promise<void> {
  const received = async (): Promise<string[]> =>
    [...(await statesOf(flows))].map(([name, { client, server }]) => `${name}: ${server.received}, ${client.received}`);
  const atOnce = await statesOf(flows);
  await eventually(async () => {
    const busy = [...(await statesOf(flows))].find(([, { client, server }]) =>
      [client, server].some(({ idleMs }) => idleMs === null || idleMs < 200),
    );
    return busy && `${busy[0]}: goes on after it was revoked`;
  });
  // What had passed already may still be read; an end that is not cut off sends a whole window before it waits for an answer.
  for (const [name, { client, server }] of await statesOf(flows)) {
    const was = atOnce.get(name)!;
    assert.ok(client.received - was.client.received < 50, `${name}: the client still gets answers`);
    assert.ok(server.received - was.server.received < 50, `${name}: the server still gets packets`);
  }
  const before = { received: await received(), states: await statesOf(flows) };
  await eventually(async () => {
    for (const key of ['x/p', ...peers]) {
      const retransmissions = await readBackoffs(cluster, key);
      assert.ok(retransmissions.length > 0);
      if (retransmissions.some((count) => count < 4)) return `${key}: retransmitted ${retransmissions.join()} times`;
    }
    for (const [name, { client }] of await statesOf(flows)) {
      if (name.includes('UDP') && client.sent < before.states.get(name)!.client.sent + 25)
        return `${name}: does not send`;
    }
    return undefined;
  });
  assert.deepEqual(await received(), before.received);
}

/** How often each open TCP connection of a pod has sent the same again without an answer. */
async function readBackoffs({ lab }: Cluster, key: string): Promise<number[]> {
  const listing = await lab.exec(key, 'ss', '-tinHO', 'state', 'established');
  const lines = listing.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => Number(/ backoff:([0-9]+)/.exec(line)?.[1] ?? 0));
}

/** How long TCP waits for an answer before it sends the same again, at least; doubled each time. */
async function setFirstRetransmission({ lab }: Cluster, milliseconds: number): Promise<void> {
  const script = ['-4', '-6'].map(
    (family) => `ip ${family} route show | while read -r route; do
      ip ${family} route change \${route%% rto_min*} rto_min ${milliseconds}ms
    done`,
  );
  for (const key of ['x/p', ...peers]) await lab.exec(key, 'sh', '-ec', script.join('\n'));
}
