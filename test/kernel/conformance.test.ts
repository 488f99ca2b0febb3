import { deepEqual, ok } from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { readCases } from '../evaluator/cases.ts';
import { skipTest } from '../support/skip.ts';
import { CaseLab } from './case-lab.ts';
import { needMachine } from './cluster.ts';
import { nameLab } from '../support/lab-name.ts';

/** Every case of the cyclonus generator that is beside this checkout, on real packets, every pair, port and family. */
describe('the conformance cases, with real packets', function () {
  this.timeout(120_000);
  const file = readCases();
  if (!file) {
    it('hold in the lab', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  for (const cni of labCnis) {
    describe(`on ${cni}`, () => {
      let lab: CaseLab | undefined;
      let probes = 0;
      before(async function () {
        await needMachine(this, cni);
        lab = await CaseLab.up(file, nameLab(`cases${cni}`), cni);
      });
      after(() => lab?.down());

      for (const each of file.cases) {
        it(`${each.id}: ${each.description}`, async () => {
          const result = await lab!.run(each);
          probes += result.probes;
          deepEqual(result.wrong, []);
        });
      }

      it('were probed in full', () => {
        ok(probes >= file.cases.length * 300, `only ${probes} probes`);
      });
    });
  }
});
