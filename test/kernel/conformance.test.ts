import { deepEqual, ok } from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Family } from '../../src/model/address.ts';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import { readNetwork } from '../../src/lab/config-list.ts';
import { readCases } from '../evaluator/cases.ts';
import { skipTest } from '../support/skip.ts';
import { CaseLab } from './case-lab.ts';
import { needMachine } from './cluster.ts';
import { nameLab } from '../support/lab-name.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { takeSample } from '../support/sample.ts';

interface Place {
  readonly name: string;
  /** As `--cni` takes it. */
  readonly network: string;
  readonly between?: NodeNetwork;
  /** Default: both. */
  readonly family?: Family;
  /** The network itself separates the pods of one node. */
  readonly separates?: true;
  /** How many cases a sample has. */
  readonly count: number;
}

const networks: readonly Place[] = [
  { name: 'bridge', network: 'bridge', count: 20 },
  { name: 'ptp', network: 'ptp', count: 20 },
  { name: 'bridge-chain', network: exampleNetwork('bridge-chain'), count: 3 },
  { name: 'ptp-chain', network: exampleNetwork('ptp-chain'), count: 3 },
  { name: 'vxlan', network: 'bridge', between: 'vxlan', count: 5 },
  // Debian has the plugin of flannel 0.9, which gives IPv4 addresses only.
  { name: 'flannel', network: exampleNetwork('flannel'), between: 'vxlan', family: 'ipv4', count: 3 },
  { name: 'bridge-vlan', network: exampleNetwork('bridge-vlan'), count: 3 },
  { name: 'wireguard', network: 'ptp', between: 'wireguard', count: 5 },
  { name: 'ipsec', network: 'bridge', between: 'ipsec', count: 5 },
  { name: 'macvlan', network: exampleNetwork('macvlan'), count: 10 },
  { name: 'macvlan-vepa', network: exampleNetwork('macvlan-vepa'), count: 3 },
  { name: 'macvlan-private', network: exampleNetwork('macvlan-private'), separates: true, count: 3 },
  { name: 'macvlan-vlan', network: exampleNetwork('macvlan-vlan'), count: 3 },
  { name: 'ipvlan-l2', network: exampleNetwork('ipvlan-l2'), count: 3 },
  { name: 'ipvlan-l3', network: exampleNetwork('ipvlan-l3'), count: 3 },
];

/** The cases of the cyclonus generator that are beside this checkout, on real packets, every pair, port and family. */
describe('the conformance cases, with real packets', function () {
  this.timeout(180_000);
  const file = readCases();
  if (!file) {
    it('hold in the lab', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  for (const { name, network, between, family, separates, count } of networks) {
    describe(`on ${name}`, () => {
      let lab: CaseLab | undefined;
      let probes = 0;
      before(async function () {
        const cni = await readNetwork(network);
        await needMachine(this, cni, between);
        lab = await CaseLab.up(file, nameLab(`c${name.replace('-', '')}`), {
          cni,
          network: between,
          family,
          separates,
        });
      });
      after(() => lab?.down());

      const fitting = file.cases.filter(
        ({ ipFamily }) => family === undefined || ipFamily !== (family === 'ipv4' ? 6 : 4),
      );
      const cases = takeSample(fitting, {
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
