import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import { nameLab } from '../support/lab-name.ts';
import { skipTest } from '../support/skip.ts';
import { readPage } from './agent-pages.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';

/** On the network card alone, the answers would still pass the forward hook, and TCP would stand still without them (K49). */
const onBoth = (device: string): string =>
  [
    'table inet theirs {',
    `flowtable f { hook ingress priority 0; devices = { eth0, "${device}" }; }`,
    'chain c { type filter hook forward priority 10; meta l4proto tcp flow add @f; }',
    '}',
  ].join('\n');

describe('a flow table of another program (kernel, ptp)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  before(async function () {
    await needMachine(this, 'ptp');
    if (!canMakeFlowTables()) skipTest(this, 'the kernel has no flow tables: npm run vm -- 6.12 has them');
    cluster = await Cluster.up({ name: nameLab('kflow'), cni: 'ptp' });
  });
  after(() => cluster?.lab.down());

  it('makes the node not ready, because an open connection outlives its policy (S5.14, K49)', async () => {
    const { lab } = cluster;
    await cluster.apply(
      policy('x', 'p', { ingress: [{ from: [pods({}, { team: 'peers' })], ports: [port('TCP/80')] }] }),
    );
    const way = await lab.exec('node/n1', 'ip', '-json', 'route', 'get', cluster.address('x/p', 'ipv4'));
    const [{ dev }] = JSON.parse(way) as [{ dev: string }];
    await lab.exec('node/n1', 'nft', onBoth(dev));
    const flows = await Promise.all(
      families.map((family) => lab.openFlow('peers/far', 'x/p', { protocol: 'TCP', port: 80, family, rate: 20 })),
    );
    const received = async (): Promise<number[]> =>
      Promise.all(flows.map(async (flow) => (await flow.state()).server.received));
    await eventually(async () => {
      const entries = await lab.exec('node/n1', 'conntrack', '-L', '-p', 'tcp', '--dport', '80');
      const more = await lab.exec('node/n1', 'conntrack', '-L', '-f', 'ipv6', '-p', 'tcp', '--dport', '80');
      const count = `${entries}\n${more}`.split('OFFLOAD').length - 1;
      return count >= flows.length ? undefined : `${count} of ${flows.length} connections are in the flow table`;
    });

    const page = await becomes(cluster, 503);
    assert.match(
      page,
      /^\[-\] flow-tables: flow tables take open connections .*: f of table inet theirs \(.*\beth0\b.*\); /m,
    );
    assert.deepEqual(
      Array.from(page.matchAll(/^\[-\] ([^:]*)/gm), ([, name]) => name),
      ['flow-tables'],
    );
    await cluster.apply(policy('x', 'p', { ingress: [] }));
    await cluster.expect([{ from: 'peers/third', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    const then = await received();
    await eventually(async () => {
      const now = await received();
      return now.every((each, index) => each > then[index]! + 5)
        ? undefined
        : `the policy cut ${JSON.stringify([then, now])}`;
    });

    await lab.exec('node/n1', 'nft', 'delete table inet theirs');
    await becomes(cluster, 200);
    // The policy of now cuts what went around it. No packet comes in the time in which twenty would.
    const { server } = await flows[0]!.state();
    await cluster.expect([{ from: 'peers/third', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    assert.equal((await flows[0]!.state()).server.received, server.received);
    for (const flow of flows) await flow.close();
  });
});

async function becomes({ lab }: Cluster, status: number): Promise<string> {
  let body = '';
  await eventually(async () => {
    const page = await readPage(lab, 'n1', '/readyz?verbose');
    body = page.body;
    return page.status === status ? undefined : `/readyz: ${page.status} ${body}`;
  }, 60);
  return body;
}

function canMakeFlowTables(): boolean {
  const table = 'table inet t { flowtable f { hook ingress priority 0; devices = { lo }; }; }';
  try {
    execFileSync('unshare', ['--net', 'nft', table], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
