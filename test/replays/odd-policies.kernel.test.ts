import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import { planStages } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { startPipeline } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { bystanders, oddPolicies } from './odd-policies.ts';

const runs = Number(process.env['ODD_POLICIES'] ?? 60);

describe('a policy with fields missing and odd names, in the real kernel (replay of kube-router 79ef16b4, 703c8435)', function () {
  this.timeout(0);
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('odd');
    if (typeof opened === 'string') skipTest(this, opened);
    kernel = opened;
  });

  after(() => kernel?.close());

  it(`is taken by nft together with the policies of others, and read back as it was: ${runs} policies`, () => {
    fc.assert(
      fc.property(oddPolicies, (odd) => {
        kernel.reset();
        const pipeline = startPipeline('n1', [...bystanders, odd]);
        const desired = pipeline.plan(undefined).compiled.ruleset;
        const script = planStages(desired, undefined).stages.map(({ operations }) => renderScript(operations));
        for (const each of script) assert.equal(kernel.run(each), undefined, each);
        assert.deepEqual(planStages(desired, kernel.list()).stages, []);
      }),
      { numRuns: runs },
    );
  });
});
