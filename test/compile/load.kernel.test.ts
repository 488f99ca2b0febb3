import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { renderRuleset, renderScript } from '../../src/nftables/render.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { hostileCluster, hostileFacts } from '../support/hostile-cluster.ts';
import { startPipeline } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { guardedNode } from './guarded-node.ts';

/** A rule that nft lists otherwise than it was written would be taken for another program's at each restart, and what no rule reads would be swept. */
describe('what a guarded and gated node compiles to', () => {
  let kernel: Kernel;
  before(function () {
    const opened = Kernel.open('compile');
    if (typeof opened === 'string') return skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());

  const podCidrs = ['10.1.0.0/24', '10.2.0.7/32', '10.3.0.128/25', 'fd01::/64', 'fd02::7/128'];
  const hostile = startPipeline('n1', hostileCluster(), { podCidrs: ['0.0.0.0/0', '::/0'] });
  for (const fact of hostileFacts()) hostile.receive(fact);
  const cases = {
    routed: guardedNode((name) => ({ device: `veth-${name}` }), { podCidrs }),
    'on a bridge': guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` }), { podCidrs }),
    hostile: hostile.plan(undefined).compiled.ruleset,
  };
  for (const [name, ruleset] of Object.entries(cases)) {
    it(`is taken by the kernel, and read back as it was: ${name}`, () => {
      kernel.reset();
      const { stages, result } = planStages(ruleset, undefined);
      for (const { operations } of stages) assert.equal(kernel.run(renderScript(operations)), undefined);
      assert.equal(renderRuleset(kernel.list()), renderRuleset(result));
      assert.deepEqual(planStages(ruleset, kernel.list()).stages, []);
      assert.deepEqual(planSweep(kernel.list()).stages, []);
    });
  }
});
