import assert from 'node:assert/strict';
import { it } from 'mocha';
import type { TableFamily } from '../../src/nftables/ruleset.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { onEachCni } from './cluster.ts';
import { eventually } from './eventually.ts';
import { listExactly, listTables } from './our-tables.ts';
import { policy } from './policies.ts';

onEachCni('our tables in the hands of another program', (cluster, cni) => {
  // Only pods on a bridge have ports to guard.
  const tables: readonly TableFamily[] = cni === 'bridge' ? ['ip', 'ip6', 'bridge'] : ['ip', 'ip6'];
  const commands = tables.flatMap((table) => [`nft delete table ${table} postern`, `nft flush table ${table} postern`]);
  for (const command of [...commands, 'nft flush ruleset']) {
    it(`are restored after "${command}" (S7.16)`, async () => {
      await cluster().apply(policy('x', 'deny', { ingress: [] }));
      const held = await list();
      await tamper(command);
      assert.equal(await list(), held);
      await cluster().expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    });
  }

  for (const lost of ['ip', 'ip6'] as const) {
    it(`are left alone but for table ${lost} and the choice of flow sets, where it alone was deleted, and that is made in stages`, async () => {
      await cluster().apply(policy('x', 'deny', { ingress: [] }));
      // What is out of use goes after the change is in force.
      await listTables(cluster().lab, tables);
      const others = tables.filter((table) => table !== lost);
      const [held, before] = [await listExactly(cluster().lab, others), await stages()];
      await tamper(`nft delete table ${lost} postern`);
      assert.equal(await listExactly(cluster().lab, others), held);
      // Another program may have added to the flow sets of any table, so the agent leaves those of before in all tables.
      // If nft monitor reports the deletion late, it counts as one more, and the agent looks and leaves the flow sets again.
      const least = [1, 1, 0, 1, 1];
      await eventually(async () => {
        const after = await stages();
        const done = after.map((count, index) => count - before[index]!);
        const isDone = done.every((count, index) => (least[index] === 0 ? count === 0 : count >= least[index]!));
        return isDone ? undefined : `stages since then: ${done.join()}`;
      });
      await cluster().expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    });
  }

  /** Resolves when it was noticed, and the agent is ready again. */
  async function tamper(command: string): Promise<void> {
    const { lab } = cluster();
    const before = await noticed();
    await lab.exec('node/n1', 'sh', '-c', command);
    await eventually(async () => ((await noticed()) > before ? undefined : 'the agent has not noticed'));
    await eventually(async () => {
      const { status, body } = await readPage(lab, 'n1', '/readyz');
      return status === 200 ? undefined : body;
    });
  }

  /** The base chains. */
  function list(): Promise<string> {
    const chains = tables.map((table) => `${table} postern ${table === 'bridge' ? 'prerouting' : 'forward'}`);
    return onNode(chains.map((chain) => `nft list chain ${chain}`));
  }

  function onNode(commands: readonly string[]): Promise<string> {
    return cluster().lab.exec('node/n1', 'sh', '-ec', commands.join('; '));
  }

  /** The agent notices by a look at its tables, or by a write of its own that fails. */
  async function noticed(): Promise<number> {
    const names = ['postern_drift_total', 'postern_apply_errors_total{code="refused"}'];
    const counts = await Promise.all(names.map((name) => readMetric(cluster().lab, 'n1', name)));
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }

  /** How many of each there have been, in the order make, switch, break, forget, delete. */
  function stages(): Promise<number[]> {
    const count = (stage: string): string => `postern_apply_stage_duration_seconds_count{stage="${stage}"}`;
    return Promise.all(
      ['make', 'switch', 'break', 'forget', 'delete'].map(
        async (stage) => (await readMetric(cluster().lab, 'n1', count(stage))) ?? 0,
      ),
    );
  }
});
