import { deepEqual, ok } from 'node:assert/strict';
import { before, it } from 'mocha';
import { readCases } from '../test/evaluator/cases.ts';
import { skipTest } from '../test/support/skip.ts';
import { CaseRunner } from './cluster/case-runner.ts';
import { castPorts } from './cluster/cast.ts';
import { onCluster } from './cluster/cluster.ts';

/** The IPv4 cases of the cyclonus generator beside this checkout: every pair and port, through Services. */
onCluster('the conformance cases', (cluster) => {
  const file = readCases();
  const cases = file?.cases.filter(({ ipFamily = 4 }) => ipFamily === 4) ?? [];
  if (!file || cases.length === 0) {
    it('agree through Services', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  let probes = 0;
  before(function () {
    if (!cluster().families.includes('ipv4')) skipTest(this, 'the pods of this cluster have no IPv4');
  });

  it('start from the pods of this suite', () => {
    const portsOf = (pod: (typeof file.pods)[number]) =>
      pod.containers.map(({ protocol, port, name }) => `${protocol}/${port}/${name}`).sort();
    for (const pod of file.pods) deepEqual(portsOf(pod), [...castPorts].sort());
  });

  for (const each of cases) {
    it(`${each.id}: ${each.description}`, async () => {
      const result = await new CaseRunner(file, cluster()).run(each);
      probes += result.probes;
      deepEqual(result.wrong, []);
    });
  }

  it('were probed in full', () => {
    ok(probes >= cases.length * 300, `only ${probes} probes`);
  });
});
