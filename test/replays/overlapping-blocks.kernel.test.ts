import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Kernel } from '../nftables/kernel.ts';
import { startPipeline } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { blockStories, eventsOf, isolated, objectsAfter, questions } from './block-stories.ts';
import { judge } from './compare.ts';

const stories = Number(process.env['BLOCK_STORIES'] ?? 5);

describe('blocks that lie in each other, and come and go, in the real kernel (replay of Calico #12851, #13274)', function () {
  this.timeout(0);
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('blocks');
    if (typeof opened === 'string') skipTest(this, opened);
    kernel = opened;
  });

  after(() => kernel?.close());

  it(`the kernel takes each step of ${stories} stories, and holds what the evaluator says`, () => {
    fc.assert(
      fc.property(blockStories, (story) => {
        kernel.reset();
        const pipeline = startPipeline('n1', [isolated]);
        let listed: Ruleset | undefined;
        for (let step = 0; step <= story.length; step++) {
          const objects = objectsAfter(story, step);
          for (const event of eventsOf(story, step)) pipeline.receive(event);
          // From what the kernel shows, as after a restart at each step.
          for (const { operations } of pipeline.plan(listed).stages) {
            const script = renderScript(operations);
            assert.equal(kernel.run(script), undefined, script);
          }
          listed = kernel.list();
          for (const question of questions) judge(objects, { n1: listed }, question);
          assert.deepEqual(pipeline.plan(listed).stages, [], 'a change that does not end');
        }
      }),
      { numRuns: stories },
    );
  });
});
