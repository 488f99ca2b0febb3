import { it } from 'mocha';
import { readPage } from './agent-pages.ts';
import { onEachCni } from './cluster.ts';
import { eventually } from './eventually.ts';
import { policy } from './policies.ts';

onEachCni('our table in the hands of another program', (cluster) => {
  for (const [what, command] of [
    ['deletes it', 'nft delete table inet postern'],
    ['flushes it', 'nft flush table inet postern'],
  ] as const) {
    it(`is restored when it ${what} (S7.16)`, async () => {
      const { lab } = cluster();
      await cluster().apply(policy('x', 'deny', { ingress: [] }));
      const before = await drifts();
      await lab.exec('node/n1', 'sh', '-c', command);
      await eventually(async () => ((await drifts()) > before ? undefined : 'nobody noticed'));
      await eventually(async () => {
        const { status, body } = await readPage(lab, 'n1', '/readyz');
        return status === 200 ? undefined : body;
      });
      await cluster().expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    });
  }

  async function drifts(): Promise<number> {
    const { body } = await readPage(cluster().lab, 'n1', '/metrics');
    return Number(/^postern_drift_total (\d+)$/m.exec(body)![1]);
  }
});
