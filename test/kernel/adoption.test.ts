import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { hostileCluster } from '../support/hostile-cluster.ts';
import { compileNode, startPipeline } from '../support/pipeline.ts';
import { clusters, shapeLimits } from '../support/random-cluster.ts';
import { factChoices, factsOf } from '../support/random-facts.ts';
import { skipTest } from '../support/skip.ts';

/** Of a cluster, and of what the node knows of its pods' devices. */
const states = fc.record({ objects: clusters, facts: factChoices });

describe('the real kernel', function () {
  this.timeout(0);
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('adoption');
    if (typeof opened === 'string') skipTest(this, opened);
    kernel = opened;
  });

  after(() => kernel?.close());

  it('takes every stage from one random cluster to the next, and lists what we wrote: a restart writes nothing', () => {
    let bridges = 0;
    fc.assert(
      fc.property(fc.array(states, { minLength: 2, maxLength: 3 }), shapeLimits, (history, limits) => {
        kernel.reset();
        let applied: Ruleset | undefined;
        for (const { objects, facts } of history) {
          const pipeline = startPipeline('n1', objects, { limits });
          for (const fact of factsOf(objects, 'n1', facts)) pipeline.receive(fact);
          const desired = pipeline.plan(undefined).compiled.ruleset;
          if (desired.bridge) bridges++;
          const plan = planStages(desired, applied);
          for (const stage of plan.stages) assertTaken(renderScript(stage.operations));
          applied = kernel.list();
          assert.deepEqual(planSweep(applied).stages, []);
          assert.deepEqual(planStages(desired, applied).stages, []);
        }
      }),
      { numRuns: 60 },
    );
    assert.ok(bridges > 10, `only ${bridges} tables of bridges`);
  });

  it('takes hostile names, long lists and blocks that overlap (S9.12, S3.10)', () => {
    kernel.reset();
    assertTaken(
      renderScript(
        planStages(compileNode('n1', hostileCluster()), undefined).stages.flatMap(({ operations }) => operations),
      ),
    );
    assert.deepEqual(planStages(compileNode('n1', hostileCluster()), kernel.list()).stages, []);
  });

  function assertTaken(script: string): void {
    assert.equal(kernel.run(script), undefined, script.slice(0, 2000));
  }
});
