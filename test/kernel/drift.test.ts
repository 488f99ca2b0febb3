import assert from 'node:assert/strict';
import { it } from 'mocha';
import { readPage } from './agent-pages.ts';
import { onEachCni } from './cluster.ts';
import { eventually } from './eventually.ts';
import { policy } from './policies.ts';

onEachCni('our tables in the hands of another program', (cluster, cni) => {
  // Only pods on a bridge have ports to guard.
  const tables = cni === 'bridge' ? ['inet postern', 'bridge postern'] : ['inet postern'];
  const commands = tables.flatMap((table) => [`nft delete table ${table}`, `nft flush table ${table}`]);
  for (const command of commands) {
    it(`are restored after "${command}" (S7.16)`, async () => {
      const { lab } = cluster();
      await cluster().apply(policy('x', 'deny', { ingress: [] }));
      const before = await drifts();
      const held = await list();
      await lab.exec('node/n1', 'sh', '-c', command);
      await eventually(async () => ((await drifts()) > before ? undefined : 'nobody noticed'));
      await eventually(async () => {
        const { status, body } = await readPage(lab, 'n1', '/readyz');
        return status === 200 ? undefined : body;
      });
      assert.equal(await list(), held);
      await cluster().expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    });
  }

  /** The base chains. */
  async function list(): Promise<string> {
    const chains = tables.map((table) => `${table} ${table.startsWith('bridge') ? 'prerouting' : 'forward'}`);
    const script = chains.map((chain) => `nft list chain ${chain}`).join('; ');
    return cluster().lab.exec('node/n1', 'sh', '-ec', script);
  }

  async function drifts(): Promise<number> {
    const { body } = await readPage(cluster().lab, 'n1', '/metrics');
    return Number(/^postern_drift_total (\d+)$/m.exec(body)![1]);
  }
});
