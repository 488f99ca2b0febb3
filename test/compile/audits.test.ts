import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultBudgets } from '../../src/compile/budgets.ts';
import { modeAnnotation } from '../../src/model/policy.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';

const blocks = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ipBlock: { cidr: `10.${index >> 8}.${index & 255}.0/25` } }));

function inAudit(of: ApiObject): ApiObject {
  return { ...of, metadata: { ...of.metadata, annotations: { [modeAnnotation]: 'audit' } } };
}

const ofPod = (name: string, count: number): ApiObject =>
  policy(`x/${name}`, { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: blocks(count) }] });
const egress = policy('x/out', { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: blocks(50) }] });
const base = [namespace('x'), pod('x/a', { ips: ['10.1.0.1'] })];
/** One policy of 50 blocks fits them, and two do not. */
const budgets = { ...defaultBudgets, policy: 900, namespace: 900 };

function compile(...objects: ApiObject[]) {
  return startPipeline('n1', [...base, ...objects], { budgets }).plan(undefined).compiled;
}

describe('the budget of policies in audit', () => {
  it('is apart: a policy in audit makes no enforced policy of its namespace too costly (S13.2)', () => {
    // Control: two enforced policies do not fit.
    assert.equal(compile(egress, ofPod('large', 80)).oversized.size, 1);
    assert.deepEqual([...compile(egress, inAudit(ofPod('large', 80))).oversized.keys()], []);
  });

  it('leaves out the audit of the pods that it selects, if one is too costly (S13.5)', () => {
    const auditOf = (...objects: ApiObject[]) => compile(...objects).auditsOf('x/a/x/a').ingress?.families;
    const small = inAudit(policy('x/none', { podSelector: {}, policyTypes: ['Ingress'], ingress: [] }));
    assert.ok(auditOf(small) !== undefined);
    const { oversized, ruleset } = compile(small, inAudit(ofPod('large', 400)));
    assert.deepEqual([...oversized.keys()], ['x/large']);
    assert.equal(ruleset.ip!.maps.has('audit-ingress4'), false);
  });
});
