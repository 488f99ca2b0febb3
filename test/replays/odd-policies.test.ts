import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { policy } from '../support/objects.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import { assertVerdicts, judge } from './compare.ts';
import { bystanders, bystandersWant, oddPolicies, questions } from './odd-policies.ts';

const runs = Number(process.env['POSTERN_REPLAYS_POLICIES'] ?? 1000);

describe('a policy with fields missing and odd names (replay of kube-router 79ef16b4, 703c8435)', function () {
  this.timeout(0);

  it(`is judged as the evaluator does, and takes nothing from others: ${runs} policies`, () => {
    const verdicts = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(oddPolicies, (odd) => {
        const { objects, rulesets } = clusterWith(odd);
        assertVerdicts(objects, rulesets, bystandersWant);
        for (const question of questions) verdicts[judge(objects, rulesets, question)]++;
      }),
      { numRuns: runs },
    );
    assert.ok(verdicts.allowed > runs && verdicts.denied > runs, JSON.stringify(verdicts));
  });

  it('opens all of a protocol, and no other, where that is all that a port has', () => {
    const spec = { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ ports: [{ protocol: 'UDP' }] }] };
    const { objects, rulesets } = clusterWith(policy('x/udp', spec));
    assertVerdicts(objects, rulesets, [
      ...bystandersWant,
      { from: '10.2.0.1', to: '10.1.0.1', protocol: 'UDP', port: 1, answer: 'allowed' },
      { from: '10.2.0.1', to: '10.1.0.1', protocol: 'UDP', port: 65535, answer: 'allowed' },
      { from: '10.2.0.1', to: '10.1.0.1', protocol: 'TCP', port: 80, answer: 'denied' },
      { from: 'fd02::1', to: 'fd01::1', protocol: 'SCTP', port: 80, answer: 'denied' },
    ]);
  });
});

function clusterWith(odd: ApiObject) {
  const objects = [...bystanders, odd];
  return { objects, rulesets: { n1: compileNode('n1', objects), n2: compileNode('n2', objects) } };
}
