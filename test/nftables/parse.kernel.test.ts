import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import { renderRuleset, renderScript } from '../../src/nftables/render.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { loadOperations } from './load.ts';
import { rulesets } from './random-ruleset.ts';

describe('what the kernel lists is what was written', () => {
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('parse');
    if (typeof opened === 'string') return skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());

  it('for any ruleset, by operations', function () {
    this.timeout(600_000);
    fc.assert(
      fc.property(rulesets, (ruleset) => {
        kernel.reset();
        const operations = loadOperations(ruleset);
        assert.equal(kernel.run(renderScript(operations)), undefined);
        assert.deepEqual(kernel.list(), ruleset);
        assert.deepEqual(applyOperations({}, operations), ruleset);
      }),
      { numRuns: 100 },
    );
  });

  it('for any ruleset, as a file', function () {
    this.timeout(600_000);
    fc.assert(
      fc.property(rulesets, (ruleset) => {
        kernel.reset();
        assert.equal(kernel.run(renderRuleset(ruleset)), undefined);
        assert.deepEqual(kernel.list(), ruleset);
      }),
      { numRuns: 50 },
    );
  });
});
