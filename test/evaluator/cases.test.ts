import { deepEqual, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { PortProtocol } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { families } from '../../src/model/address.ts';
import { skipTest } from '../support/skip.ts';
import { CaseCluster, readCases } from './cases.ts';

const file = readCases();

describe('the conformance cases', () => {
  if (!file) {
    it('agree with the evaluator', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  let probes = 0;
  for (const each of file.cases) {
    it(`${each.id}: ${each.description}`, () => {
      const cluster = new CaseCluster(file, each);
      for (const step of each.steps) {
        for (const action of step.actions) cluster.apply(action);
        const prepared = prepareCluster(cluster.objects);
        const wrong: string[] = [];
        for (const family of each.ipFamily ? [`ipv${each.ipFamily}` as const] : families) {
          for (const [from, targets] of Object.entries(step.expected)) {
            for (const [to, ports] of Object.entries(targets)) {
              for (const [port, expected] of Object.entries(ports)) {
                const [protocol, number] = port.split('/') as [PortProtocol, string];
                const flow = { source: { pod: from }, destination: { pod: to }, protocol, family };
                const { verdict } = evaluate(prepared, { ...flow, destinationPort: Number(number) });
                probes++;
                if ((verdict === 'allowed') !== expected) wrong.push(`${family} ${from} → ${to} ${port}: ${verdict}`);
              }
            }
          }
        }
        deepEqual(wrong, []);
      }
    });
  }
  it('contain probes', () => ok(probes > 10_000, `only ${probes} probes`));
});
