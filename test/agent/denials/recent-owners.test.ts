import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { AuditTally } from '../../../src/agent/audits/audit-tally.ts';
import { RecentOwners } from '../../../src/agent/denials/recent-owners.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';
import { modeAnnotation } from '../../../src/model/policy.ts';
import type { Pipeline } from '../../../src/pipeline.ts';
import { namespace, pod, policy } from '../../support/objects.ts';
import { removeOf, startPipeline, upsertOf } from '../../support/pipeline.ts';
import { knowledgeOf } from './attribution.ts';

describe('the owners of addresses in the last minute', () => {
  let pipeline: Pipeline;
  let now: number;
  let owners: RecentOwners;
  const made = pod('x/a', { ips: ['10.1.0.1'] });
  const none = policy('x/none', { podSelector: {}, policyTypes: ['Ingress'] });
  beforeEach(() => {
    now = 0;
    const inAudit = { ...none, metadata: { ...none.metadata, annotations: { [modeAnnotation]: 'audit' } } };
    pipeline = startPipeline('n1', [namespace('x'), made, inAudit]);
    owners = new RecentOwners(
      (address) => pipeline.ownersOf(address),
      () => now,
    );
    owners.remember(pipeline.snapshot);
  });
  const remove = (): void => {
    pipeline.receive(removeOf(made));
    owners.remember(pipeline.snapshot);
  };
  const namesOf = (address: string): string[] => owners.of(address).pods.map((each) => each.pod.name);

  it('are those of pods that have gone, for as long as the kernel keeps records', () => {
    assert.deepEqual(namesOf('10.1.0.1'), ['a']);
    remove();
    for (const [at, names] of [
      [60_000, ['a']],
      [71_000, []],
    ] as const) {
      now = at;
      assert.deepEqual(namesOf('10.1.0.1'), names);
    }
    pipeline.receive(upsertOf(pod('x/b', { ips: ['10.1.0.2'] })));
    owners.remember(pipeline.snapshot);
    now = 0;
    assert.deepEqual(namesOf('10.1.0.1'), [], 'it is forgotten');
  });

  it('are the present ones if there are any', () => {
    remove();
    pipeline.receive(upsertOf(pod('x/b', { ips: ['10.1.0.1'] })));
    assert.deepEqual(namesOf('10.1.0.1'), ['b']);
    owners.remember(pipeline.snapshot);
    assert.deepEqual(namesOf('10.1.0.1'), ['b']);
    assert.deepEqual(namesOf('10.1.0.9'), []);
  });

  it('let audits count the last connections of a pod', () => {
    const record: RecordedDenial = {
      ...{ direction: 'ingress', family: 'ipv4', source: '203.0.113.7', destination: '10.1.0.1' },
      ...{ protocol: 'tcp', port: 80, packets: 1, secondsAgo: 0 },
    };
    remove();
    const tally = new AuditTally(0);
    // Control: without the memory, nothing is counted.
    assert.deepEqual(tally.take([record], knowledgeOf(pipeline), 1), []);
    const there = knowledgeOf(pipeline);
    const ownersOf = (address: string) => owners.of(address);
    const known = { ...there, ownersOf, policies: owners.policies(there.policies) };
    assert.deepEqual(
      tally.take([record], known, 1).map(({ connection: { to, policies } }) => [to, policies]),
      [['x/a', ['x/none']]],
    );
  });
});
