import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { policyKinds } from '../../src/kinds/all.ts';
import { namespace, pod } from '../support/objects.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';

/** By kind, the spec of a policy that denies all ingress of x/web. */
const denials: Readonly<Record<string, unknown>> = {
  NetworkPolicy: { podSelector: {}, policyTypes: ['Ingress'] },
  ClusterNetworkPolicy: {
    tier: 'Baseline',
    priority: 0,
    subject: { pods: { podSelector: {} } },
    ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
  },
};

const cluster = [namespace('x'), pod('x/web', { ips: ['10.1.0.1'] }), pod('x/client', { ips: ['10.1.0.2'] })];
const flow = {
  source: { pod: 'x/client' },
  destination: { pod: 'x/web' },
  protocol: 'TCP',
  destinationPort: 80,
} as const;

/** If the pipeline and the evaluator both ignored a kind, the tests that compare them would pass. */
describe('each policy kind', () => {
  for (const { name, namespaced } of policyKinds) {
    it(`${name} changes what the pipeline and the evaluator decide`, () => {
      assert.ok(name in denials, `add a policy of the kind ${name} to this test`);
      const policy: ApiObject = {
        kind: name,
        metadata: { ...(namespaced && { namespace: 'x' }), name: 'deny', uid: 'deny' },
        spec: denials[name],
      };
      const decide = (objects: readonly ApiObject[]): unknown => ({
        isolatedPods: startPipeline('n1', objects).plan(undefined).compiled.counts.isolatedPods > 0,
        verdict: evaluate(prepareCluster(objects), { ...flow, family: 'ipv4' }).verdict,
      });
      assert.deepEqual(decide(cluster), { isolatedPods: false, verdict: 'allowed' });
      assert.deepEqual(decide([...cluster, policy]), { isolatedPods: true, verdict: 'denied' });
    });
  }
});
