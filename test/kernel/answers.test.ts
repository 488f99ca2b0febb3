import assert from 'node:assert/strict';
import { it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster, Family } from './cluster.ts';
import { eventually } from './eventually.ts';
import { block, clusterPolicy, pods, policy, port } from './policies.ts';

const anyPeer = pods({}, { team: 'peers' });
const peers = ['peers/near', 'peers/far'];

/** What allows x/p to ask `outside` on TCP/80, and to be asked by it on TCP/5000. All pods are denied. */
const narrow: Readonly<Record<string, (outside: readonly string[]) => ApiObject>> = {
  'a NetworkPolicy (S8.6)': (outside) =>
    policy('x', 'p', {
      ingress: [{ from: outside.map(block), ports: [port('TCP/5000')] }],
      egress: [{ to: outside.map(block), ports: [port('TCP/80')] }],
    }),
  'a ClusterNetworkPolicy (S10.25)': (outside) =>
    clusterPolicy('p', {
      ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
      egress: [
        {
          action: 'Accept',
          to: [{ networks: outside }],
          protocols: [{ tcp: { destinationPort: { number: 80 } } }],
        },
        { action: 'Deny', to: [{ networks: ['0.0.0.0/0', '::/0'] }] },
      ],
    }),
};

onEachCni('answers (S5.3, S5.4)', (cluster) => {
  it('of a pod whose egress is isolated reach whom its ingress allows, on every protocol', async () => {
    const ports = ['TCP/80', 'UDP/53', 'SCTP/80'];
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [anyPeer], ports: ports.map(port) }], egress: [] }));
    await cluster().expect([
      ...peers.flatMap((from) => ports.map((port) => ({ from, to: 'x/p', port, answer: 'x/p' }))),
      ...peers.map((from) => ({ from, to: 'x/p', port: 'TCP/8080', answer: 'timeout' })),
      // An answer is not a permission to begin.
      ...peers.flatMap((to) => ports.map((port) => ({ from: 'x/p', to, port, answer: 'timeout' }))),
    ]);
  });

  it('reach a pod whose ingress is isolated from whom its egress allows', async () => {
    const ports = ['TCP/80', 'UDP/53', 'SCTP/80'];
    await cluster().apply(policy('x', 'p', { ingress: [], egress: [{ to: [anyPeer], ports: ports.map(port) }] }));
    await cluster().expect([
      ...peers.flatMap((to) => ports.map((port) => ({ from: 'x/p', to, port, answer: to }))),
      ...peers.flatMap((from) => ports.map((port) => ({ from, to: 'x/p', port, answer: 'timeout' }))),
    ]);
  });

  it('that say a port is closed come from an allowed port, and nothing comes from a denied one', async () => {
    const closed = [port('TCP/7'), port('UDP/7')];
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: closed }], egress: [{ to: [anyPeer], ports: closed }] }),
    );
    const pairs = peers.flatMap((peer) => [
      { from: peer, to: 'x/p' },
      { from: 'x/p', to: peer },
    ]);
    await cluster().expect(
      pairs.flatMap((pair) =>
        ['TCP', 'UDP'].flatMap((protocol) => [
          { ...pair, port: `${protocol}/7`, answer: 'ECONNREFUSED' },
          { ...pair, port: `${protocol}/9`, answer: 'timeout' },
        ]),
      ),
    );
  });

  for (const [kind, rulesFor] of Object.entries(narrow)) {
    it(`that a packet is too big reach the pod, as client and as server, beside ${kind}`, async () => {
      const outside = families.map((family) => `${cluster().address('host/outside', family)}/${prefix[family]}`);
      await cluster().apply(rulesFor(outside));
      await cluster().expect([
        ...peers.map((to) => ({ from: 'x/p', to, port: 'TCP/80', answer: 'timeout' })),
        ...peers.map((from) => ({ from, to: 'x/p', port: 'TCP/5000', answer: 'timeout' })),
      ]);
      const { lab } = cluster();
      // What an earlier test found is forgotten.
      for (const family of ['-4', '-6']) await lab.exec('x/p', 'ip', family, 'route', 'flush', 'cache');
      await setLinkMtu(cluster(), 1300);
      try {
        const ways = families.flatMap((family) => [
          { from: 'x/p', to: 'host/outside', port: 80, family },
          { from: 'host/outside', to: 'x/p', port: 5000, family },
        ]);
        const flows = await Promise.all(
          ways.map(({ from, to, port, family }) =>
            lab.openFlow(from, to, { protocol: 'TCP', port, family, rate: 20, size: 4000 }),
          ),
        );
        await eventually(async () => {
          for (const [index, flow] of flows.entries()) {
            const { client, server } = await flow.state();
            const { from, family } = ways[index]!;
            // Records of 4000 bytes need segments of the size that the pod believes to fit.
            if (Math.min(client.received, server.received) < 10)
              return `${family} from ${from}: only small packets arrive`;
          }
          return undefined;
        });
        for (const family of families) {
          const route = await lab.exec('x/p', 'ip', 'route', 'get', cluster().address('host/outside', family));
          assert.match(route, / mtu 1300/);
        }
        await Promise.all(flows.map((flow) => flow.close()));
      } finally {
        await setLinkMtu(cluster(), 1500);
      }
    });
  }
});

const prefix: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** Of the router's link to the host outside. The host itself still sends packets of the full size. */
async function setLinkMtu({ lab }: Cluster, mtu: number): Promise<void> {
  await runInNamespace(lab.names.fabric, 'ip', ['link', 'set', 'h1', 'mtu', String(mtu)]);
}
