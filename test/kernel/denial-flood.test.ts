import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { python } from '../../src/lab/pod-process.ts';
import { readMetric } from './agent-pages.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const spray = fileURLToPath(new URL('../../bench/denials/spray.py', import.meta.url));
/** Of each family, from each of two pods. A million a minute is 16,667 a second; this is more. */
const datagrams = 50_000;
const perSecond = 6000;

const near = pods({ pod: 'near' }, { team: 'peers' });
const opened = policy('x', 'web', { ingress: [{ from: [near], ports: [port('UDP/5000')] }] });

describe('a flood of denied connections (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  before(async function () {
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({ name: nameLab('kflood'), cni: 'bridge' });
  });
  after(() => cluster?.lab.down());

  /** UDP that has come to the pod, for whatever port; of each family. */
  const arrived = async (): Promise<number[]> => {
    const text = await cluster.lab.exec('x/p', 'cat', '/proc/net/snmp', '/proc/net/snmp6');
    const [received, strange] = /^Udp: (\d+) (\d+)/m.exec(text)!.slice(1).map(Number) as [number, number];
    const of = (name: string): number => Number(new RegExp(`^Udp6${name}\\s+(\\d+)$`, 'm').exec(text)![1]);
    return [received + strange, of('InDatagrams') + of('NoPorts')];
  };
  const metric = (name: string) => readMetric(cluster.lab, 'n1', `postern_${name}`);
  const denied = (name: string) => metric(`denied_${name}_total{direction="ingress"}`);

  it('gets nothing through, takes nothing from what is allowed, and is told of within bounds', async () => {
    await cluster.apply(opened);
    const before = await arrived();
    const flows = await Promise.all(
      families.map((family) =>
        cluster.lab.openFlow('peers/near', 'x/p', { protocol: 'UDP', port: 5000, family, rate: 200, echo: true }),
      ),
    );
    const sent = await Promise.all(
      ['peers/far', 'others/stranger'].flatMap((from) =>
        families.map(async (family) => {
          const target = cluster.address('x/p', family);
          return Number(await cluster.lab.exec(from, python, spray, target, String(datagrams), String(perSecond)));
        }),
      ),
    );
    const all = sent.reduce((sum, each) => sum + each, 0);
    for (const flow of flows) await flow.pause();
    await eventually(async () => {
      const states = await Promise.all(flows.map((flow) => flow.state()));
      const missing = states.filter(({ client, server }) => Math.min(server.distinct, client.distinct) < client.sent);
      return missing.length === 0 ? undefined : `not answered yet: ${JSON.stringify(missing)}`;
    });
    const ends = await Promise.all(flows.map((flow) => flow.close()));
    for (const { client, server } of ends) {
      assert.ok(client.sent > 500, `${client.sent} sent`);
      assert.deepEqual([server.distinct, client.distinct], [client.sent, client.sent]);
    }
    const after = await arrived();
    assert.deepEqual(
      after.map((count, index) => count - before[index]!),
      ends.map(({ server }) => server.received),
    );
    await eventually(async () => {
      const packets = await denied('packets');
      return packets === all ? undefined : `${packets} of ${all} counted`;
    });
    const unnoted = (await denied('packets_unnoted'))!;
    const connections = (await denied('connections'))!;
    assert.ok(unnoted > all * 0.9 && unnoted < all, `${unnoted} of ${all} not noted`);
    // What is counted is logged a moment later.
    let lines: string[] = [];
    await eventually(async () => {
      const log = await cluster.lab.agents.get('n1')!.log();
      lines = log.split('\n').filter((line) => line.includes('"msg":"denied"'));
      const missing = connections - lines.length - (await metric('denials_unlogged_total'))!;
      return missing === 0 ? undefined : `${missing} of ${connections} neither logged nor counted`;
    });
    assert.ok(lines.length < connections, `all ${connections} logged`);
    for (const from of ['peers/far', 'others/stranger']) {
      const own = lines.filter((line) => line.includes(`"from":"${from}"`)).length;
      assert.ok(own > 0, `nothing said of ${from}`);
    }
  });
});
