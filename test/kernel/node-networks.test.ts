import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { LabCni } from '../../src/lab/cni-config.ts';
import type { Flow } from '../../src/lab/flow.ts';
import { podMtu } from '../../src/lab/node-network.ts';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import { nameLab } from '../support/lab-name.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';

/** Each network between nodes, with one of the plugins that connect pods. */
const networks: readonly (readonly [NodeNetwork, LabCni])[] = [
  ['routed', 'bridge'],
  ['vxlan', 'bridge'],
  ['wireguard', 'ptp'],
  ['ipsec', 'bridge'],
];

const peer = pods({}, { team: 'peers' });
const self = pods({ pod: 'p' }, {});

/** Both ends are isolated, each in both directions. So an ICMP error passes as part of the connection alone (S5.19). */
const onlyFrom = (ports: readonly object[]) => [
  policy('x', 'p', { pods: { pod: 'p' }, ingress: [], egress: [{ to: [peer], ports }] }),
  policy('peers', 'far', { pods: { pod: 'far' }, ingress: [{ from: [self], ports }], egress: [] }),
];

for (const [network, cni] of networks) {
  describe(`packets between nodes, ${network} (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let cluster: Cluster;
    before(async function () {
      await needMachine(this, cni, network);
      cluster = await Cluster.up({ name: nameLab(`net${network}`), cni, network });
    });
    after(() => cluster?.lab.down());

    it('fragments are judged whole, by the port in the first (S4.15)', async () => {
      await cluster.apply(...onlyFrom([port('UDP/5000')]));
      const flows = await Promise.all(
        families.flatMap((family) =>
          [5000, 6000].map(async (number) => ({
            name: `UDP/${number} ${family}`,
            isAllowed: number === 5000,
            flow: await cluster.lab.openFlow('x/p', 'peers/far', {
              ...{ protocol: 'UDP', port: number, family, rate: 20, size: 4000, echo: true },
            }),
          })),
        ),
      );
      await eventually(async () => {
        for (const { name, isAllowed, flow } of flows) {
          const { client, server } = await flow.state();
          if (!isAllowed) assert.equal(server.received, 0, name);
          if ((isAllowed ? client.received : client.sent) < 5) return `${name}: ${JSON.stringify({ client, server })}`;
        }
        return undefined;
      });
      for (const { flow } of flows) await flow.close();
    });

    it('a connection goes on when the links of the nodes carry less, although its ends are isolated (S5.19)', async () => {
      await cluster.apply(...onlyFrom([port('TCP/80')]));
      await goesOn(cluster, async () => {
        for (const node of ['n1', 'n2']) await setMtu(cluster, node, 'eth0', 1400);
        return async () => {
          for (const node of ['n1', 'n2']) await setMtu(cluster, node, 'eth0', 1500);
        };
      });
    });

    it('a packet-too-big comes back from behind the tunnel, although both ends are isolated (S5.19)', async () => {
      await cluster.apply(...onlyFrom([port('TCP/80')]));
      await goesOn(cluster, async () => {
        const device = cni === 'bridge' ? 'cni0' : await deviceTo(cluster, 'n2', cluster.address('peers/far', 'ipv4'));
        await setMtu(cluster, 'n2', device, smaller);
        return () => setMtu(cluster, 'n2', device, podMtu(network, families));
      });
      for (const family of families) {
        const way = await cluster.lab.exec('x/p', 'ip', 'route', 'get', cluster.address('peers/far', family));
        assert.match(way, new RegExp(`mtu ${smaller}\\b`), family);
      }
    });
  });
}

/** IPv6 has no smaller one than 1280. */
const smaller = 1300;

/** Connections with large records, which the change must not stop. */
async function goesOn(cluster: Cluster, change: () => Promise<() => Promise<void>>): Promise<void> {
  const flows = await Promise.all(
    families.map((family) =>
      cluster.lab.openFlow('x/p', 'peers/far', { protocol: 'TCP', port: 80, family, rate: 20, size: 8000 }),
    ),
  );
  await moreOf(flows, 5);
  const undo = await change();
  try {
    await moreOf(flows, 10);
  } finally {
    for (const flow of flows) await flow.close();
    await undo();
  }
}

/** Waits until each end of each flow has received so many records more. */
async function moreOf(flows: readonly Flow[], count: number): Promise<void> {
  const received = async (flow: Flow): Promise<[number, number]> => {
    const { client, server } = await flow.state();
    return [client.received, server.received];
  };
  const start = await Promise.all(flows.map(received));
  await eventually(async () => {
    const now = await Promise.all(flows.map(received));
    const fewest = Math.min(...now.flatMap((ends, index) => ends.map((each, end) => each - start[index]![end]!)));
    return fewest < count
      ? `only ${fewest} of ${count} records: ${families.join(', ')}: ${JSON.stringify(now)}`
      : undefined;
  });
}

async function setMtu(cluster: Cluster, node: string, device: string, mtu: number): Promise<void> {
  await cluster.lab.exec(`node/${node}`, 'ip', 'link', 'set', device, 'mtu', String(mtu));
}

/** The device by which a node reaches a pod of its own. */
async function deviceTo(cluster: Cluster, node: string, address: string): Promise<string> {
  const [way] = JSON.parse(await cluster.lab.exec(`node/${node}`, 'ip', '-json', 'route', 'get', address)) as [
    { dev: string },
  ];
  return way.dev;
}
