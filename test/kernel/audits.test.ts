import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before as beforeAll, describe, it } from 'mocha';
import type { AuditPage } from '../../src/agent/audits/audit-tally.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { python } from '../../src/lab/pod-process.ts';
import { modeAnnotation } from '../../src/model/policy.ts';
import { nameLab } from '../support/lab-name.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';

const spray = fileURLToPath(new URL('../../bench/denials/spray.py', import.meta.url));
const from = ['peers/near', 'peers/far', 'others/stranger', 'host/outside'];
const ports = ['TCP/80', 'TCP/8080', 'UDP/53', 'icmp'];
const near = pods({ pod: 'near' }, { team: 'peers' });
const far = pods({ pod: 'far' }, { team: 'peers' });

const rules = policy('x', 'web', {
  ingress: [
    { from: [near], ports: [port('TCP/80'), port('UDP/53')] },
    { from: [far], ports: [port('TCP/8080')] },
  ],
});
const inAudit = (of: ApiObject): ApiObject => ({
  ...of,
  metadata: { ...of.metadata, annotations: { [modeAnnotation]: 'audit' } },
});

for (const cni of ['bridge', 'ptp'] as const) {
  describe(`policies in audit (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let cluster: Cluster;
    beforeAll(async function () {
      await needMachine(this, cni);
      cluster = await Cluster.up({ name: nameLab('kaudit'), cni, agents: {} });
    });
    afterEach(() => cluster?.reset());
    after(() => cluster?.lab.down());

    const rows = async (): Promise<AuditPage['rows']> => {
      const { body } = await readPage(cluster.lab, 'n1', '/audits');
      return (JSON.parse(body) as AuditPage).rows;
    };
    /** What `client` and `traffic` are called in rows, by family. */
    const named = (client: string, traffic: string): string[] =>
      families.map((family) => {
        const name = client.startsWith('host/') ? cluster.address(client, family) : client;
        return `${name} ${traffic === 'icmp' ? (family === 'ipv4' ? '1' : '58') : traffic.toLowerCase()}`;
      });
    const listed = async (): Promise<string[]> => {
      const found = (await rows()).map(({ from: client, protocol, port: number }) =>
        number === undefined ? `${client} ${protocol}` : `${client} ${protocol}/${number}`,
      );
      return [...new Set(found)].sort();
    };
    const questions = from.flatMap((client) => ports.map((traffic) => ({ client, traffic })));
    const isAllowed = ({ client, traffic }: (typeof questions)[number]): boolean =>
      (client === 'peers/near' && ['TCP/80', 'UDP/53'].includes(traffic)) ||
      (client === 'peers/far' && traffic === 'TCP/8080');
    const ask = (answer: (question: (typeof questions)[number]) => string) =>
      cluster.expect(
        questions.map((each) => ({ from: each.client, to: 'x/p', port: each.traffic, answer: answer(each) })),
      );

    it('let everything pass, and list what they then deny (S13.2, S13.3)', async () => {
      await cluster.apply(inAudit(rules));
      await ask(() => 'x/p');
      const denied = questions.filter((each) => !isAllowed(each));
      const expected = [...new Set(denied.flatMap(({ client, traffic }) => named(client, traffic)))].sort();
      await eventually(async () => {
        const found = await listed();
        return found.length >= expected.length ? undefined : `only ${found.join(', ')}`;
      });
      assert.deepEqual(await listed(), expected);
      assert.ok((await rows()).every(({ policies, to }) => policies.join() === 'x/web' && to === 'x/p'));
      assert.ok((await readMetric(cluster.lab, 'n1', 'postern_audited_connections_total{direction="ingress"}'))! > 0);
      assert.equal(await readMetric(cluster.lab, 'n1', 'postern_denied_packets_total{direction="ingress"}'), 0);

      await cluster.apply(rules);
      await ask((each) => (isAllowed(each) ? 'x/p' : 'timeout'));
    });

    it('are counted in a flood, and logged within bounds (S13.4)', async () => {
      const connections = 'postern_audited_connections_total{direction="ingress"}';
      const packets = 'postern_audited_packets_total{direction="ingress"}';
      const sum = async (): Promise<number> => (await rows()).reduce((all, row) => all + row.connections, 0);
      const [countedBefore, listedBefore] = [(await readMetric(cluster.lab, 'n1', packets))!, await sum()];
      const connectionsBefore = (await readMetric(cluster.lab, 'n1', connections))!;
      await cluster.apply(inAudit(rules));
      const target = cluster.address('x/p', 'ipv4');
      const sent = Number(await cluster.lab.exec('others/stranger', python, spray, target, '1000', '10000'));
      await eventually(async () => {
        const counted = (await readMetric(cluster.lab, 'n1', packets))! - countedBefore;
        return counted >= sent ? undefined : `${counted} of ${sent} counted`;
      });
      const found = (await readMetric(cluster.lab, 'n1', connections))! - connectionsBefore;
      assert.equal((await sum()) - listedBefore, found);
      const log = await cluster.lab.agents.get('n1')!.log();
      const times = log
        .split('\n')
        .filter((line) => line.includes('"verdict":"audit"') && line.includes('"from":"others/stranger"'))
        .map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
      // Five seconds are between two looks.
      const ofLook = times.map((first) => times.filter((time) => time >= first && time < first + 4000).length);
      assert.ok(found > 100, `${found} connections`);
      assert.equal(Math.max(...ofLook), 50);
    });

    it('open nothing, and list nothing, where an enforced policy isolates the pod (S13.3)', async () => {
      const [all, everything] = [policy('x', 'none', { ingress: [] }), policy('x', 'everything', { ingress: [{}] })];
      const control = policy('peers', 'none', { pods: { pod: 'near' }, ingress: [] });
      await cluster.apply(all, inAudit(everything), inAudit(policy('x', 'other', { ingress: [] })));
      await ask(() => 'timeout');
      await cluster.remove(all);
      // Two policies in audit allow together what one of them allows.
      await ask(() => 'x/p');
      await cluster.apply(inAudit(control));
      await cluster.expect([{ from: 'x/p', to: 'peers/near', port: 'TCP/80', answer: 'peers/near' }]);
      // One look of the agent reads all records.
      await eventually(async () => ((await rows()).some(({ to }) => to === 'peers/near') ? undefined : 'no record'));
      assert.ok((await rows()).every(({ policies }) => !policies.includes('x/other')));
    });
  });
}
