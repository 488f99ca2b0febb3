import assert from 'node:assert/strict';
import { it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Flow, FlowState } from '../../src/lab/flow.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { block, pods, policy, port } from './policies.ts';

const changes = 200;
/** Packets a second of one flow, which receivers take with ease; there are ten. */
const rate = 800;

const service = [port('UDP/5000'), port('TCP/5000')];
const friends = pods({ friend: 'yes' }, { team: 'peers' });
const allies = pods({ ally: 'yes' }, { team: 'peers' });

const deny = policy('x', 'deny', { ingress: [], egress: [] });
/** For x/p while its tier is a. */
const allow = (from: readonly object[], ports: readonly object[]) =>
  policy('x', 'allow', { pods: { tier: 'a' }, ingress: [{ from, ports }] });
const second = policy('x', 'second', { ingress: [{ from: [friends], ports: service }] });
/** For x/p while its tier is b. */
const byAddress = (cidrs: readonly string[]) =>
  policy('x', 'by-address', { pods: { tier: 'b' }, ingress: [{ from: cidrs.map(block), ports: service }] });
const allowTwice = policy('x', 'allow', {
  pods: { tier: 'a' },
  ingress: [
    { from: [friends], ports: service },
    { from: [allies], ports: [...service, port('UDP/53')] },
  ],
});
const leave = (ports: readonly object[]) => policy('peers', 'leave', { egress: [{ to: [pods({ pod: 'p' })], ports }] });

type Step = (cluster: Cluster) => Promise<void>;

/** Each changes the class, the set or the rule that the flows meet, and none what is allowed to them. The last leads to the first. */
function stepsFor(cluster: Cluster): readonly Step[] {
  const addresses = ['peers/near', 'peers/far'].flatMap((key) =>
    families.map((family) => `${cluster.address(key, family)}/${family === 'ipv4' ? 32 : 128}`),
  );
  const otherBlocks = ['10.77.0.0/16', 'fd77::/16', '10.244.2.0/24', 'fd00:10:244:2::/64'];
  const apply =
    (...objects: readonly ApiObject[]): Step =>
    (cluster) =>
      cluster.apply(...objects);
  const moreFriends = {
    podSelector: { matchExpressions: [{ key: 'friend', operator: 'In', values: ['yes', 'maybe'] }] },
  };
  const inTeam = { namespaceSelector: { matchLabels: { team: 'peers' } } };
  return [
    // More ports, and a range instead of one.
    apply(allow([friends], [...service, port('UDP/53'), port('TCP/80')])),
    apply(allow([friends], [port('UDP/5000-5010'), port('TCP/4990-5000')])),
    apply(allow([friends], service)),
    apply(leave([...service, port('UDP/53')])),
    apply(leave([port('UDP/4999-5001'), port('TCP/5000')])),
    apply(leave(service)),
    // A group that grows and shrinks, by pod and by namespace, and another in its place.
    (cluster) => cluster.label('peers/third', { friend: 'yes' }),
    (cluster) => cluster.label('peers/third', {}),
    (cluster) => cluster.label('spare', { team: 'peers' }),
    (cluster) => cluster.label('spare', {}),
    apply(allow([{ ...moreFriends, ...inTeam }], service)),
    apply(allow([friends, block('10.77.0.0/16')], service)),
    apply(allow([friends], service)),
    // The peer goes from one group to another that the same policy allows, on other ports beside.
    apply(allowTwice),
    (cluster) => cluster.label('peers/near', { ally: 'yes' }),
    (cluster) => cluster.label('peers/far', { ally: 'yes' }),
    (cluster) => cluster.label('peers/near', { friend: 'yes' }),
    (cluster) => cluster.label('peers/far', { friend: 'yes' }),
    apply(allow([friends], service)),
    // The rule goes to another policy, and comes back.
    apply(second),
    apply(allow([block('10.78.0.0/16')], [port('TCP/80')])),
    apply(allow([friends], service)),
    (cluster) => cluster.remove(second),
    // Another policy allows it, after a change of the pod's label; its addresses change.
    apply(byAddress(addresses)),
    (cluster) => cluster.label('x/p', { tier: 'b' }),
    apply(byAddress([...addresses, ...otherBlocks.slice(0, 2)])),
    apply(byAddress([...addresses, ...otherBlocks])),
    apply(byAddress(addresses)),
    (cluster) => cluster.label('x/p', { tier: 'a' }),
    (cluster) => cluster.remove(byAddress([])),
  ];
}

onEachCni('a connection that stays allowed (S5.13, S7.3)', (cluster) => {
  it(`loses no packet by ${changes} changes of what it meets, and one that stays forbidden gets none through`, async function () {
    this.timeout(600_000);
    await cluster().apply(deny, allow([friends], service), leave(service));
    await cluster().label('peers/near', { friend: 'yes' });
    await cluster().label('peers/far', { friend: 'yes' });
    await cluster().label('x/p', { tier: 'a' });
    const udp = (from: string, to: string, port: number) =>
      openFlows(
        cluster(),
        families.map((family) => ({ from, to, protocol: 'UDP', port, family, rate })),
      );
    const allowed = [...(await udp('peers/near', 'x/p', 5000)), ...(await udp('peers/far', 'x/p', 5000))];
    const forbidden = [
      ...(await udp('peers/near', 'x/p', 6000)),
      ...(await udp('others/stranger', 'x/p', 5000)),
      ...(await udp('peers/near', 'others/stranger', 5000)),
    ];
    const streams = await openFlows(cluster(), [
      { from: 'peers/near', to: 'x/p', protocol: 'TCP', port: 5000, family: 'ipv4', rate: 100 },
      { from: 'peers/far', to: 'x/p', protocol: 'TCP', port: 5000, family: 'ipv6', rate: 100 },
    ]);
    const timeouts = await countTimeouts(cluster());

    const steps = stepsFor(cluster());
    for (let count = 0; count < changes; count++) await steps[count % steps.length]!(cluster());

    const sentWhileForbidden = (await statesOf(forbidden)).map(({ client }) => client.sent);
    assert.deepEqual(
      (await statesOf(forbidden)).map(({ server }) => server.received),
      forbidden.map(() => 0),
    );
    await Promise.all([...allowed, ...streams].map((flow) => flow.pause()));
    const sent = (await statesOf(allowed)).map(({ client }) => client.sent);
    for (const count of [...sent, ...sentWhileForbidden]) assert.ok(count > changes, `only ${count} packets were sent`);
    await eventually(async () => {
      const lost = (await statesOf(allowed)).map(({ server }, index) => sent[index]! - server.distinct);
      return lost.every((count) => count === 0) ? undefined : `allowed packets that did not arrive: ${lost.join()}`;
    });
    await eventually(async () => {
      const complete = (await statesOf(streams)).every(
        ({ client, server }) => client.sent === server.distinct && server.sent === client.distinct,
      );
      return complete ? undefined : 'a stream has not arrived whole';
    });
    for (const { client, server } of await statesOf(streams)) {
      assert.deepEqual([client.closed, server.closed], [null, null]);
      assert.ok(server.received > changes);
    }
    // A machine that stands still for a moment makes TCP send again. A packet lost in each change would be many more.
    const more = (await countTimeouts(cluster())).map((count, index) => count - timeouts[index]!);
    assert.ok(
      more.every((count) => count <= 3),
      `TCP timeouts: ${more.join()}`,
    );

    // What was forbidden would have been seen.
    await cluster().apply(policy('x', 'open', { ingress: [{}] }), policy('peers', 'open', { egress: [{}] }));
    await eventually(async () => {
      const silent = (await statesOf(forbidden)).filter(({ server }) => server.received === 0).length;
      return silent === 0 ? undefined : `${silent} flows are still not seen when all is allowed`;
    });
    await Promise.all([...allowed, ...forbidden, ...streams].map((flow) => flow.close()));
  });
});

type FlowToOpen = { from: string; to: string } & Parameters<Cluster['lab']['openFlow']>[2];

function openFlows({ lab }: Cluster, flows: readonly FlowToOpen[]): Promise<Flow[]> {
  return Promise.all(flows.map(({ from, to, ...options }) => lab.openFlow(from, to, options)));
}

function statesOf(flows: readonly Flow[]): Promise<FlowState[]> {
  return Promise.all(flows.map((flow) => flow.state()));
}

/** How often TCP gave up waiting for an answer: what a stream that loses a packet for good, or stalls, does. */
async function countTimeouts({ lab }: Cluster): Promise<number[]> {
  const keys = ['x/p', 'peers/near', 'peers/far'];
  const texts = await Promise.all(keys.map((key) => lab.exec(key, 'nstat', '-asz', 'TcpExtTCPTimeouts')));
  return texts.map((text) => Number(/TcpExtTCPTimeouts +(\d+)/.exec(text)![1]));
}
