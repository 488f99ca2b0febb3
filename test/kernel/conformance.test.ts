import { deepEqual, ok } from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import { readNetwork } from '../../src/lab/config-list.ts';
import { readCases } from '../evaluator/cases.ts';
import { skipTest } from '../support/skip.ts';
import { CaseLab } from './case-lab.ts';
import { needMachine } from './cluster.ts';
import { nameLab } from '../support/lab-name.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { takeSample } from '../support/sample.ts';

interface CaseNetwork {
  readonly name: string;
  /** As `--cni` takes it. */
  readonly network: string;
  readonly between?: NodeNetwork;
  /** How many cases a sample has. */
  readonly count: number;
}

const networks: readonly CaseNetwork[] = [
  { name: 'bridge', network: 'bridge', count: 20 },
  { name: 'ptp', network: 'ptp', count: 20 },
  { name: 'bridge-chain', network: exampleNetwork('bridge-chain'), count: 3 },
  { name: 'ptp-chain', network: exampleNetwork('ptp-chain'), count: 3 },
  { name: 'vxlan', network: 'bridge', between: 'vxlan', count: 5 },
  { name: 'wireguard', network: 'ptp', between: 'wireguard', count: 5 },
  { name: 'ipsec', network: 'bridge', between: 'ipsec', count: 5 },
];

/** The cases of the cyclonus generator that are beside this checkout, on real packets, every pair, port and family. */
describe('the conformance cases, with real packets', function () {
  this.timeout(120_000);
  const file = readCases();
  if (!file) {
    it('hold in the lab', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  for (const { name, network, between, count } of networks) {
    describe(`on ${name}`, () => {
      let lab: CaseLab | undefined;
      let probes = 0;
      before(async function () {
        const cni = await readNetwork(network);
        await needMachine(this, cni, between);
        lab = await CaseLab.up(file, nameLab(`cases${name.replace('-', '')}`), cni, between);
      });
      after(() => lab?.down());

      const cases = takeSample(file.cases, {
        what: `conformance cases on ${name}`,
        count,
        nameOf: ({ id }) => `${name} ${id}`,
        suite: 'conformance',
      });
      for (const each of cases) {
        it(`${each.id}: ${each.description}`, async () => {
          const result = await lab!.run(each);
          probes += result.probes;
          deepEqual(result.wrong, []);
        });
      }

      it('were probed in full', () => {
        ok(probes >= cases.length * 300, `only ${probes} probes`);
      });
    });
  }
});
