import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { compareOrder, findDenying, withoutAllows } from '../../src/model/order.ts';
import type { Action, Policy, PolicyRule } from '../../src/model/policy.ts';

const selection = { namespaces: 'all', pods: [] } as const;

function ruleOf(action: Action): PolicyRule {
  return { action, peers: [{ kind: 'pods', group: 'g' }], ports: [{ kind: 'any' }] };
}

function policyOf(id: string, fields: Partial<Policy> = {}): Policy {
  return {
    id,
    tier: 'NetworkPolicy',
    priority: 0,
    appliesTo: selection,
    isolates: new Set(),
    rules: { ingress: [], egress: [] },
    groups: new Map([['g', selection]]),
    ...fields,
  };
}

describe('the order of policies', () => {
  it('is by tier, then by priority as a number, then by id', () => {
    const ordered = [
      policyOf('z', { tier: 'Admin', priority: 9 }),
      policyOf('a', { tier: 'Admin', priority: 10 }),
      policyOf('b', { tier: 'Admin', priority: 10 }),
      policyOf('x/b'),
      policyOf('x/c'),
      policyOf('c', { tier: 'Baseline', priority: 0 }),
    ];
    for (const given of [ordered, ordered.toReversed()]) assert.deepEqual(given.toSorted(compareOrder), ordered);
  });
});

describe('the policies that may deny', () => {
  it('are those that isolate, and those with a rule that does not accept, in the direction that is asked for', () => {
    const policies = [
      policyOf('accepts', { rules: { ingress: [ruleOf('Accept')], egress: [ruleOf('Deny')] } }),
      policyOf('denies', { rules: { ingress: [ruleOf('Accept'), ruleOf('Deny')], egress: [] } }),
      policyOf('isolates', { isolates: new Set(['ingress']) }),
      policyOf('passes', { rules: { ingress: [ruleOf('Pass')], egress: [] } }),
    ];
    const byId = new Map(policies.map((policy) => [policy.id, policy]));
    const ids = ['unknown', ...byId.keys()];
    assert.deepEqual(findDenying(ids, byId, 'ingress'), ['denies', 'isolates', 'passes']);
    assert.deepEqual(findDenying(ids, byId, 'egress'), ['accepts']);
  });
});

describe('a policy without what it allows (S9.10)', () => {
  it('isolates as before, has no group, and is the same object each time', () => {
    const policy = policyOf('x/p', {
      isolates: new Set(['egress']),
      rules: { ingress: [], egress: [ruleOf('Accept')] },
    });
    const without = withoutAllows(policy);
    assert.deepEqual([...without.isolates], ['egress']);
    assert.deepEqual([without.rules, without.groups.size], [{ ingress: [], egress: [] }, 0]);
    assert.equal(withoutAllows(policy), without);
  });

  it('denies everything in a direction in which it denies or passes anything', () => {
    const everything: PolicyRule = { action: 'Deny', peers: [{ kind: 'any' }], ports: [{ kind: 'any' }] };
    for (const action of ['Deny', 'Pass'] as const) {
      const { rules } = withoutAllows(
        policyOf('p', { rules: { ingress: [ruleOf('Accept'), ruleOf(action)], egress: [] } }),
      );
      assert.deepEqual(rules, { ingress: [everything], egress: [] });
    }
  });
});
