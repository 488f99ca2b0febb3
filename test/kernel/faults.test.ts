import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Fault } from '../../e2e/faults/fault.ts';
import { brokenPromises, type Result } from '../../e2e/faults/result.ts';
import { faults } from '../../e2e/faults/faults.ts';
import { runFault } from '../../e2e/faults/run-faults.ts';
import { Scene } from '../../e2e/faults/scene.ts';
import { needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { nameLab } from '../support/lab-name.ts';

/** All of them with all their tries: `npm run e2e:faults`. */
describe('the faults of docs/reliability.md (kernel)', function () {
  this.timeout(180_000);
  let scene: Scene;
  before(async function () {
    await needMachine(this, 'bridge');
    scene = await Scene.open(nameLab('kfaults'));
  });
  after(() => scene?.close());

  const runOnce = (fault: Fault): Promise<Result> => runFault(scene, fault, { tries: 1 });
  const named = (name: string): Fault => faults.find((fault) => fault.name === name)!;

  it('an API server that comes back with a compacted history costs no packet', async () => {
    assert.deepEqual(brokenPromises(await runOnce(named('api-compacted'))), []);
  });

  it('tables that are flushed are restored, and what passed until then is counted', async () => {
    const { forbiddenThrough, allowedLost, error } = await runOnce(named('table-flushed'));
    assert.deepEqual([error, allowedLost.bad], [undefined, 0]);
    assert.ok(forbiddenThrough.bad > 0);
  });

  it('forbidden packets that pass break the promise', async () => {
    const open: Fault = {
      ...named('agent-stopped'),
      async run({ lab, agents, traffic }) {
        await Promise.all(agents.map((agent) => agent.stop()));
        await lab.exec('node/n1', 'nft', 'delete table ip postern; delete table ip6 postern');
        await traffic.goesOn();
        return 0;
      },
    };
    const broken = brokenPromises(await runOnce(open));
    assert.match(broken.join(), /^[0-9]+ forbidden packets passed$/);
  });

  it('allowed packets that are lost break the promise', async () => {
    const lossy: Fault = {
      ...named('agent-stopped'),
      async run({ lab }) {
        const rule = 'udp dport 5000 counter drop';
        await lab.exec('x/p', 'nft', `table inet lossy { chain c { type filter hook input priority 0; ${rule}; }; }`);
        await eventually(async () => {
          const chain = await lab.exec('x/p', 'nft', 'list', 'table', 'inet', 'lossy');
          return chain.includes('packets 0 ') ? 'nothing was dropped' : undefined;
        });
        await lab.exec('x/p', 'nft', 'delete', 'table', 'inet', 'lossy');
        return 0;
      },
    };
    const broken = brokenPromises(await runOnce(lossy));
    assert.match(broken.join(), /^[0-9]+ allowed packets were lost$/);
  });

  it('a change that packets contradict breaks the promise', async () => {
    const dishonest: Fault = {
      ...named('agent-stopped'),
      async run(scene) {
        do await scene.change();
        while (scene.isOpen);
        const time = await scene.right(performance.now());
        // Shut, says the agent; and then somebody lets it pass.
        await Promise.all(scene.agents.map((agent) => agent.stop()));
        const rules = ['ip', 'ip6'].map((family) => `insert rule ${family} postern forward udp dport 53 accept`);
        await scene.lab.exec('node/n1', 'nft', rules.join('; '));
        await scene.traffic.goesOn();
        return time;
      },
    };
    const broken = brokenPromises(await runOnce(dishonest));
    assert.match(broken.join(), /^[0-9]+ forbidden packets passed$/);
  });
});
