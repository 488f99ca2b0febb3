import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { Lab } from '../../src/lab/lab.ts';
import type { LabOptions } from '../../src/lab/lab.ts';
import { nodeNetworks } from '../../src/lab/node-network.ts';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import { needMachine } from '../kernel/cluster.ts';
import { settleMs } from '../support/time-factor.ts';
import { host, pod } from './objects.ts';

const cast = [
  pod('x', 'a', ['TCP/80', 'UDP/80'], { nodeName: 'n1' }),
  pod('x', 'b', ['TCP/80', 'UDP/80'], { nodeName: 'n2' }),
  pod('x', 'c', ['TCP/80'], { nodeName: 'n2', hostNetwork: true }),
  host('db', ['10.0.0.1', 'fd00:10::1'], [{ port: 5432 }]),
];

interface Shape extends LabOptions {
  readonly cni: LabCni;
  /** Kind of the node's eth0, as the kernel names it, and of the device below it. */
  readonly kinds: readonly string[];
  readonly network: NodeNetwork;
}

/** Not with strict rp_filter: a pod's packets to another node arrive by the uplink, but the route back is the tunnel. */
const shapes: readonly Shape[] = [
  { uplink: 'veth', network: 'vxlan', rpFilter: 2, cni: 'bridge', kinds: ['veth'] },
  { uplink: 'bridge', network: 'routed', rpFilter: 1, cni: 'ptp', kinds: ['bridge', 'veth'] },
  { uplink: 'vxlan', network: 'vxlan', rpFilter: 0, cni: 'ptp', kinds: ['vxlan'] },
  { uplink: 'veth', network: 'wireguard', rpFilter: 2, cni: 'ptp', kinds: ['veth'] },
  { uplink: 'veth', network: 'ipsec', rpFilter: 1, cni: 'bridge', kinds: ['veth'] },
];

/** How packets between pods of two nodes come to a node. */
const looks: Readonly<Record<NodeNetwork, string>> = {
  routed: 'tcp dport 80 meta ipsec missing',
  vxlan: 'udp dport 8472',
  wireguard: 'udp dport { 51820, 51821 }',
  ipsec: 'meta l4proto esp',
};

describe('lab: the network between nodes (kernel)', function () {
  this.timeout(180_000);
  let stateRoot: string;
  before(async () => {
    stateRoot = await mkdtemp(join(tmpdir(), 'postern-lab-'));
  });
  after(() => rm(stateRoot, { recursive: true }));

  for (const { kinds, ...options } of shapes) {
    describe(`uplink ${options.uplink}, network ${options.network}, rp_filter ${options.rpFilter}`, () => {
      let lab: Lab;
      before(async function () {
        await needMachine(this, options.cni, options.network);
        const name = `f${process.pid}${options.uplink}`;
        lab = await Lab.up({ name, stateRoot, agents: false, objects: cast, settleMs, ...options });
        await lab.settle();
      });
      after(() => lab?.down());

      it('all pods and hosts reach each other, in both families', async () => {
        const { results } = await lab.probe();
        assert.ok(results.length > 0);
        assert.deepEqual(
          results.filter(({ observed }) => observed !== 'allowed'),
          [],
        );
      });

      it('a node has an uplink of that kind, and the setting', async () => {
        const links = JSON.parse(await lab.exec('node/n1', 'ip', '-json', '-details', 'link', 'show')) as Link[];
        const uplink = ['eth0', 'port0'].flatMap((name) => links.filter(({ ifname }) => ifname === name));
        assert.deepEqual(
          uplink.map(({ linkinfo }) => linkinfo?.info_kind),
          kinds,
        );
        const filter = await lab.exec('node/n1', 'cat', '/proc/sys/net/ipv4/conf/all/rp_filter');
        assert.equal(Number(filter), options.rpFilter);
      });

      it('packets between pods of two nodes are those of the network, and no others', async () => {
        const counter = 'table netdev tap { chain in { type filter hook ingress device eth0 priority 0;';
        const matches = nodeNetworks.map((each) => `${looks[each]} counter`).join('; ');
        await lab.exec('node/n2', 'nft', `${counter} ${matches}; }; }`);
        const flows = await Promise.all(
          (['ipv4', 'ipv6'] as const).map((family) =>
            lab.openFlow('x/a', 'x/b', { protocol: 'TCP', port: 80, family, rate: 50, size: 8000 }),
          ),
        );
        for (const flow of flows) await flow.close();
        const listing = await lab.exec('node/n2', 'nft', '-j', 'list', 'table', 'netdev', 'tap');
        const packets = [...listing.matchAll(/"packets": ?(\d+)/g)].map(([, count]) => Number(count));
        assert.deepEqual(
          nodeNetworks.filter((_, index) => packets[index]! > 0),
          [options.network],
          listing,
        );
      });
    });
  }
});

interface Link {
  readonly ifname: string;
  readonly linkinfo?: { readonly info_kind?: string };
}
