import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { after, afterEach, before as beforeAll, describe, it } from 'mocha';
import type { AuditPage } from '../../src/agent/audits/audit-tally.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { python } from '../../src/lab/pod-process.ts';
import { modeAnnotation } from '../../src/model/policy.ts';
import { nameLab } from '../support/lab-name.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { Cluster, families, needMachine, type Family } from './cluster.ts';
import { eventually } from './eventually.ts';
import { block, pods, policy, port } from './policies.ts';

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

interface Connection {
  readonly from: string;
  readonly to: string;
  readonly port: string;
}

const peer = fc.constantFrom(
  near,
  far,
  pods({ pod: 'third' }, { team: 'peers' }),
  block('10.9.0.0/24'),
  block('fd00:9::/64'),
);
const ruleOf = (of: 'from' | 'to'): fc.Arbitrary<object> =>
  fc
    .tuple(
      fc.option(fc.array(peer, { minLength: 1, maxLength: 2 })),
      fc.option(
        fc.array(fc.constantFrom('TCP/80', 'TCP/8000-8100', 'UDP/53', 'UDP/5000').map(port), {
          minLength: 1,
          maxLength: 2,
        }),
      ),
    )
    // A rule for everything would leave nothing to list.
    .filter(([peers, allowed]) => peers !== null || allowed !== null)
    .map(([peers, allowed]) => ({ ...(peers && { [of]: peers }), ...(allowed && { ports: allowed }) }));
const directions = {
  ingress: fc.array(ruleOf('from'), { maxLength: 3 }),
  egress: fc.array(ruleOf('to'), { maxLength: 3 }),
};
const bothDirections = fc.record(directions);
/** It always isolates for ingress. */
const randomRules = fc.record(directions, { requiredKeys: ['ingress'] });
const ends = ['x/p', 'peers/near', 'peers/far', 'peers/third', 'others/stranger', 'host/outside'];
/** Random connections to and from a pod, at most one of each kind. */
const randomTraffic = (subject: string): fc.Arbitrary<Connection[]> =>
  fc.shuffledSubarray(
    ends
      .filter((end) => end !== subject)
      .flatMap((other) => [
        { from: other, to: subject },
        { from: subject, to: other },
      ])
      .flatMap((pair) => ['TCP/80', 'TCP/8080', 'UDP/53', 'UDP/5000', 'icmp'].map((each) => ({ ...pair, port: each })))
      // The machine outside serves these ports only.
      .filter(({ to, port: each }) => to !== 'host/outside' || ['TCP/80', 'UDP/53', 'icmp'].includes(each)),
    { minLength: 20, maxLength: 25 },
  );

for (const cni of ['bridge', 'ptp'] as const) {
  describe(`policies in audit (kernel, ${cni})`, function () {
    this.timeout(600_000);
    let cluster: Cluster;
    beforeAll(async function () {
      await needMachine(this, cni);
      cluster = await Cluster.up({ name: nameLab('kaudit'), cni, agents: {} });
    });
    afterEach(() => cluster?.reset());
    after(() => cluster?.lab.down());

    const rows = async (node = 'n1'): Promise<AuditPage['rows']> => {
      const { body } = await readPage(cluster.lab, node, '/audits');
      return (JSON.parse(body) as AuditPage).rows;
    };
    /** Names of the rows of a policy. */
    const listed = async (of: string, node?: string): Promise<string[]> => {
      const all = (await rows(node)).filter(({ policies }) => policies.includes(of));
      return [...new Set(all.map(nameRow))].sort();
    };
    /** What an end and a connection are called in rows, for each family. */
    const nameEnd = (end: string, family: Family): string =>
      end.startsWith('host/') ? cluster.address(end, family) : end;
    const nameConnection = ({ from: client, to, port: traffic }: Connection): string[] =>
      families.map((family) => {
        const of = traffic === 'icmp' ? (family === 'ipv4' ? '1' : '58') : traffic.toLowerCase();
        return `${nameEnd(client, family)} → ${nameEnd(to, family)} ${of}`;
      });
    const nameRow = ({ from: client, to, protocol, port: number }: AuditPage['rows'][number]): string =>
      `${client} → ${to} ${protocol}${number === undefined ? '' : `/${number}`}`;
    /** The connections that get no answer, as rows name them. */
    const deniedOf = async (connections: readonly Connection[]): Promise<string[]> => {
      const denied = await Promise.all(
        connections.flatMap((each) =>
          families.map(async (family, index) => {
            const answer = await cluster.ask({ ...each, family });
            return answer === 'timeout' ? [nameConnection(each)[index]!] : [];
          }),
        ),
      );
      return [...new Set(denied.flat())].sort();
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
      const connections = denied.map(({ client, traffic }) => ({ from: client, to: 'x/p', port: traffic }));
      const expected = [...new Set(connections.flatMap(nameConnection))].sort();
      await eventually(async () => {
        const found = await listed('x/web');
        return found.length >= expected.length ? undefined : `only ${found.join(', ')}`;
      });
      assert.deepEqual(await listed('x/web'), expected);
      assert.ok((await rows()).every(({ policies, to }) => policies.join() === 'x/web' && to === 'x/p'));
      assert.ok((await readMetric(cluster.lab, 'n1', 'postern_audited_connections_total{direction="ingress"}'))! > 0);
      assert.equal(await readMetric(cluster.lab, 'n1', 'postern_denied_packets_total{direction="ingress"}'), 0);

      await cluster.apply(rules);
      await ask((each) => (isAllowed(each) ? 'x/p' : 'timeout'));
    });

    it('go on after a restart of the agent', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'postern-audits-'));
      try {
        const agent = cluster.lab.agents.get('n1')!;
        const args = ['--state-dir', directory];
        await agent.restart({ args });
        await cluster.apply(inAudit(rules));
        await ask(() => 'x/p');
        await eventually(async () => ((await listed('x/web')).length > 0 ? undefined : 'nothing is listed'));
        const pageOf = async () => JSON.parse((await readPage(cluster.lab, 'n1', '/audits')).body) as AuditPage;
        const before = await pageOf();
        await agent.restart({ args });
        await eventually(async () =>
          (await readPage(cluster.lab, 'n1', '/audits')).body === '' ? 'the agent has no page yet' : undefined,
        );
        const nameAll = (page: AuditPage): Set<string> => new Set(page.rows.map(nameRow));
        await eventually(async () => {
          const missing = nameAll(before).difference(nameAll(await pageOf()));
          return missing.size > 0 ? `${[...missing].join(', ')} are gone` : undefined;
        });
        assert.ok((await pageOf()).since > before.since);
      } finally {
        await cluster.lab.agents.get('n1')!.restart();
        await rm(directory, { recursive: true });
      }
    });

    it('list on random traffic, in both directions, what enforcement then denies; they open and close nothing beside enforced policies (S13.2, S13.3)', async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      // A connection is listed once a minute. So each policy is for another pod.
      const subjects = [
        { pod: 'near', node: 'n1', enforced: undefined },
        { pod: 'far', node: 'n2', enforced: 'egress' },
        { pod: 'third', node: 'n2', enforced: 'ingress' },
      ] as const;
      for (const [index, { pod, node, enforced }] of subjects.entries()) {
        const [subject, name] = [`peers/${pod}`, `random-${pod}`];
        const once = { seed: seed + index, numRuns: 1 };
        const rulesBeside = fc.sample(bothDirections, once)[0]!;
        const audited = fc.sample(enforced ? bothDirections : randomRules, { ...once, seed: once.seed + 10 })[0]!;
        const random = policy('peers', name, { pods: { pod }, ...audited });
        const beside = enforced
          ? [policy('peers', `beside-${pod}`, { pods: { pod }, [enforced]: rulesBeside[enforced] })]
          : [];
        const traffic = fc.sample(randomTraffic(subject), once)[0]!;
        const shown = `seed ${once.seed}, ${JSON.stringify([random, ...beside].map(({ spec }) => spec))}`;
        await cluster.apply(...beside);
        const deniedBeside = await deniedOf(traffic);
        await cluster.apply(random);
        const denied = await deniedOf(traffic);

        await cluster.apply(inAudit(random));
        assert.deepEqual(await deniedOf(traffic), deniedBeside, shown);
        // Rows are of one look at all records. So if the row of this one is listed, those of the others are.
        const other = 'others/stranger';
        const [client, to] = enforced === 'ingress' ? [subject, other] : [other, subject];
        const last = { from: client, to, port: 'UDP/6000', answer: to };
        await cluster.expect([last]);
        const [lastRow] = nameConnection(last);
        await eventually(async () => {
          const found = await listed(`peers/${name}`, node);
          return found.includes(lastRow!) ? undefined : `${lastRow} is not in ${found.join(', ')}; ${shown}`;
        });
        const found = (await listed(`peers/${name}`, node)).filter((each) => each !== lastRow);
        assert.deepEqual(found, [...new Set(denied).difference(new Set(deniedBeside))], shown);
        await cluster.remove(random, ...beside);
      }
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
      assert.ok(found > 100, `${found} connections`);
      const linesOfLook = async (): Promise<number> => {
        const times = (await cluster.lab.agents.get('n1')!.log())
          .split('\n')
          .filter((line) => line.includes('"verdict":"audit"') && line.includes('"from":"others/stranger"'))
          .map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
        // Five seconds are between two looks.
        return Math.max(...times.map((first) => times.filter((time) => time >= first && time < first + 4000).length));
      };
      // The agent counts the packets of a look before it logs them.
      await eventually(async () => {
        const most = await linesOfLook();
        return most >= 50 ? undefined : `${most} lines of one look`;
      });
      assert.equal(await linesOfLook(), 50);
    });

    it('open and close nothing, and list nothing, where an enforced policy isolates the pod (S13.3)', async () => {
      const [all, everything] = [policy('x', 'none', { ingress: [] }), policy('x', 'everything', { ingress: [{}] })];
      const control = policy('peers', 'none', { pods: { pod: 'near' }, ingress: [] });
      await cluster.apply(all, inAudit(everything), inAudit(policy('x', 'other', { ingress: [] })));
      await ask(() => 'timeout');
      await cluster.apply(rules, inAudit(policy('x', 'other', { ingress: [] })));
      await cluster.remove(all, everything);
      await ask((each) => (isAllowed(each) ? 'x/p' : 'timeout'));
      await cluster.remove(rules);
      await cluster.apply(inAudit(everything));
      // Two policies in audit allow together what one of them allows.
      await ask(() => 'x/p');
      await cluster.apply(inAudit(control));
      await cluster.expect([{ from: 'x/p', to: 'peers/near', port: 'TCP/5000', answer: 'peers/near' }]);
      // One look of the agent reads all records.
      await eventually(async () =>
        (await rows()).some(({ policies }) => policies.includes('peers/none')) ? undefined : 'no record',
      );
      assert.ok((await rows()).every(({ policies }) => !policies.includes('x/other')));
    });
  });
}
