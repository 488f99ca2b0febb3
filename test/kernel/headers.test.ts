import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { it } from 'mocha';
import { families, onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';
import { Tap } from './tap.ts';

const peers = ['peers/near', 'peers/far'];
const anyPeer = pods({}, { team: 'peers' });
const sender = fileURLToPath(new URL('./send.py', import.meta.url));

onEachCni('what the header says', (cluster) => {
  it('ping passes by a rule without ports alone (S4.14)', async () => {
    const ask = (answer: string) => cluster().expect(peers.map((from) => ({ from, to: 'x/p', port: 'icmp', answer })));
    const ports = ['TCP/1-65535', 'UDP/1-65535', 'SCTP/1-65535'].map(port);
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [anyPeer], ports }] }));
    await ask('timeout');
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [anyPeer] }] }));
    await ask('x/p');
  });

  it('other IP protocols pass by a rule without ports alone (S4.14)', async () => {
    const tap = { gre: 'meta l4proto gre', esp: 'meta l4proto esp' };
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: ['TCP/1-65535', 'UDP/1-65535'].map(port) }] }),
    );
    await assertArrive(cluster(), tap, ['gre', 'esp'], { gre: 0, esp: 0 });
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [anyPeer] }] }));
    await assertArrive(cluster(), tap, ['gre', 'esp'], { gre: 4, esp: 4 });
  });

  it('fragments are judged whole, by the port in the first (S4.15, K6)', async () => {
    await cluster().apply(
      policy('x', 'p', {
        ingress: [{ from: [anyPeer], ports: [port('UDP/5000'), port('TCP/80')] }],
        egress: [{ to: [anyPeer], ports: [port('UDP/5000')] }],
      }),
    );
    const ways = peers.flatMap((peer) =>
      families.flatMap((family) =>
        [5000, 6000].flatMap((port) => [
          { from: peer, to: 'x/p', port, family },
          { from: 'x/p', to: peer, port, family },
        ]),
      ),
    );
    const flows = await Promise.all(
      ways.map(async ({ from, to, port, family }) => ({
        isAllowed: port === 5000,
        name: `${from} → ${to} ${port} ${family}`,
        flow: await cluster().lab.openFlow(from, to, {
          protocol: 'UDP',
          port,
          family,
          rate: 20,
          size: 4000,
          echo: true,
        }),
      })),
    );
    await eventually(async () => {
      for (const { flow, isAllowed, name } of flows) {
        const { client, server } = await flow.state();
        if (!isAllowed) assert.equal(server.received, 0, name);
        if (isAllowed ? client.received < 5 : client.sent < 5) return `${name}: ${JSON.stringify({ client, server })}`;
      }
      return undefined;
    });
    await Promise.all(flows.map(({ flow }) => flow.close()));
  });

  it('an SCTP association is judged by its port; one picked up without its INIT is not (S4.1, S4.16, S5.18)', async () => {
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: [port('SCTP/80'), port('TCP/80')] }] }),
    );
    await cluster().expect(
      peers.flatMap((from) => [
        { from, to: 'x/p', port: 'SCTP/80', answer: 'x/p' },
        { from, to: 'x/p', port: 'SCTP/8080', answer: 'timeout' },
      ]),
    );
    const tap = { heartbeat: 'meta l4proto sctp @th,96,8 4' };
    await assertArrive(cluster(), tap, ['heartbeat/80'], { heartbeat: 0 });
    await cluster().remove(policy('x', 'p', {}));
    await assertArrive(cluster(), tap, ['heartbeat/80'], { heartbeat: 4 });
  });

  it('packets that belong to no connection are judged as if they opened one (S5.10)', async () => {
    const tap = {
      'syn-fin 80': 'tcp flags & (syn | fin) == syn | fin tcp dport 80',
      'syn-fin 8080': 'tcp flags & (syn | fin) == syn | fin tcp dport 8080',
      'rst 80': 'tcp flags & rst == rst tcp sport 40000 tcp dport 80',
      'rst 8080': 'tcp flags & rst == rst tcp sport 40000 tcp dport 8080',
    };
    const packets = ['syn-fin/8080', 'rst/8080', 'syn-fin/80', 'rst/80'];
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [anyPeer], ports: [port('TCP/80')] }] }));
    await assertArrive(cluster(), tap, packets, { 'syn-fin 80': 4, 'syn-fin 8080': 0, 'rst 80': 4, 'rst 8080': 0 });
    await cluster().remove(policy('x', 'p', {}));
    await assertArrive(cluster(), tap, packets, { 'syn-fin 80': 4, 'syn-fin 8080': 4, 'rst 80': 4, 'rst 8080': 4 });
  });

  it('the port is found behind IPv6 destination options (S4.15)', async () => {
    const tap = { '53': 'exthdr dst exists udp dport 53', '5000': 'exthdr dst exists udp dport 5000' };
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: [port('UDP/53'), port('TCP/80')] }] }),
    );
    await assertArrive(cluster(), tap, ['options/5000', 'options/53'], { '53': 2, '5000': 0 }, ['ipv6']);
  });
});

/** Has each peer send the packets to x/p, in each family; what comes there is counted by the names in `matches`. */
async function assertArrive(
  cluster: Cluster,
  matches: Readonly<Record<string, string>>,
  packets: readonly string[],
  expected: Readonly<Record<string, number>>,
  inFamilies = families,
): Promise<void> {
  const { lab } = cluster;
  const tap = await Tap.open(lab, 'x/p', matches);
  try {
    for (const from of peers) {
      for (const family of inFamilies) {
        await lab.exec(from, '/usr/bin/python3', sender, cluster.address('x/p', family), ...packets);
      }
    }
    // What was sent before this and passes has come before its answer has.
    await cluster.expect(peers.map((from) => ({ from, to: 'x/p', port: 'TCP/80', answer: 'x/p' })));
    await eventually(async () => {
      const counts = await tap.counts();
      const missing = Object.keys(expected).filter((name) => counts[name]! < expected[name]!);
      return missing.length > 0 ? `of ${JSON.stringify(expected)} arrived ${JSON.stringify(counts)}` : undefined;
    });
    assert.deepEqual(await tap.counts(), expected);
  } finally {
    await tap.close();
  }
}
