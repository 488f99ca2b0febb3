import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ClusterPolicy } from '../../../src/agent/status/cluster-policies.ts';
import { changeOf, wantedConditions, withConditions } from '../../../src/agent/status/conditions.ts';
import type { Coverage } from '../../../src/agent/status/coverage.ts';
import { dueOf, patience, wait } from '../../../src/agent/status/due-writes.ts';
import { clusterPolicy, everywhere } from './facts.ts';

const [t1, t2] = ['2026-12-01T00:00:01Z', '2026-12-01T00:00:02Z'];
const lags = (nodes: number, ...first: string[]): Coverage => ({
  ...everywhere(nodes),
  lagging: { count: first.length, first },
});
/** The policy with its status as the agent writes it. */
const written = (policy: ClusterPolicy, coverage: Coverage, time = t1): ClusterPolicy => ({
  ...policy,
  conditions: withConditions(policy.conditions!, wantedConditions(policy, coverage), time),
});
const accepted = (spec: object): string => {
  const [{ status, reason, message }] = wantedConditions(clusterPolicy('p', spec), everywhere(1)) as never as [
    Record<string, string>,
  ];
  return `${status} ${reason}: ${message}`;
};
const all = { namespaces: {} };

describe('conditions of a ClusterNetworkPolicy', () => {
  it('name each part that is not enforced as written, by its field (S10.27)', () => {
    const named = [{ destinationNamedPort: 'http' }];
    for (const [spec, text] of [
      [{ ingress: [{ action: 'Deny', from: [all] }] }, /^True Accepted: /],
      [
        { egress: [{ action: 'Accept', to: [{ domainNames: ['a.b'] }] }] },
        /PartiallyInvalid.*spec\.egress\[0\]\.to\[0\]\.domainNames: /,
      ],
      [
        { egress: [{ action: 'Deny', to: [{ domainNames: ['a.b'] }] }] },
        /PartiallyInvalid.*cannot read all of this Deny rule, so it denies everything/,
      ],
      [
        { egress: [{ action: 'Accept', to: [{ networks: ['10.0.0.0/8'] }], protocols: named }] },
        /PartiallyInvalid.*spec\.egress\[0\]\.to\[0\]: /,
      ],
      [
        { ingress: [{ action: 'Accept', from: [all, { fog: {} }] }] },
        /PartiallyInvalid.*spec\.ingress\[0\]\.from\[1\]\.fog: /,
      ],
      [{ ingress: [{ action: 'Log', from: [all] }] }, /PartiallyInvalid.*spec\.ingress\[0\]\.action: /],
      [
        { ingress: [{ action: 'Deny', from: [all], protocols: [{ gre: {} }] }] },
        /PartiallyInvalid.*spec\.ingress\[0\]\.protocols\[0\]\.gre: .*so it denies everything/,
      ],
      [
        {
          ingress: [{ action: 'Deny', from: [{ namespaces: { matchExpressions: [{ key: 'a', operator: 'Like' }] } }] }],
        },
        /PartiallyInvalid.*spec\.ingress\[0\]\.from\[0\]\.namespaces\.matchExpressions\[0\]\.operator: /,
      ],
      [
        { egress: [{ action: 'Accept', to: [{ networks: ['10.0.0.0/33'] }] }] },
        /PartiallyInvalid.*spec\.egress\[0\]\.to\[0\]\.networks\[0\]: /,
      ],
      [{ priority: 'high' }, /^False NotEnforced: .*spec\.priority: /],
      [{ tier: 'Platform' }, /^False NotEnforced: Postern does not enforce this policy\. spec\.tier: /],
      [{ subject: {} }, /^False NotEnforced: .*spec\.subject: /],
    ] as const) {
      assert.match(accepted(spec), text, JSON.stringify(spec));
    }
  });

  it('do not say that a policy is programmed that no node enforces (S10.28)', () => {
    const [, programmed] = wantedConditions(clusterPolicy('p', { tier: 'Platform' }), everywhere(3));
    assert.deepEqual([programmed!.status, programmed!.reason], ['False', 'NotEnforced']);
  });

  it('have messages of one line and 1,024 characters, whatever a policy quotes', () => {
    const rules = Array.from({ length: 25 }, (_, i) => ({
      action: 'Accept',
      from: [{ [`x\nAccepted=True${i}\u202e${'long'.repeat(5000)}`]: {} }],
    }));
    const text = accepted({ ingress: rules });
    assert.ok(text.length < 1100, `${text.length} characters`);
    assert.doesNotMatch(text, /[\n\u202e]/);
    assert.match(text, /…$/);
    assert.match(accepted({ ingress: rules.map(({ action }) => ({ action, from: [{ a: {} }] })) }), /And 20 more\.$/);
    const nodes = ['a', 'b', 'c'].map((name) => name.repeat(253));
    const some = { count: 5000, first: nodes };
    const coverage = { nodes: 20_000, lagging: some, leftOut: some };
    const [, programmed] = wantedConditions(clusterPolicy('p'), coverage);
    assert.ok(programmed!.message.length <= 1024);
    assert.match(programmed!.message, /^Programmed on 10000 of 20000 nodes; lags: a+, b+, c+ and 4997 more; /);
  });

  it('are not written again without a change, and keep the time of a transition (S10.27)', () => {
    const policy = written(clusterPolicy('p'), lags(2, 'n1'));
    assert.equal(changeOf(policy.conditions!, wantedConditions(policy, lags(2, 'n1'))), undefined);
    const times = written(policy, everywhere(2), t2).conditions!.map((each) => each['lastTransitionTime']);
    assert.deepEqual(times, [t1, t2]);
  });

  it('leave those of other programs alone, and survive what others have written in their place', () => {
    const other = { type: 'Ready', status: 'Maybe', note: [1, { deep: true }] };
    const odd = { type: 'Accepted', status: 7, lastTransitionTime: { no: 'time' } };
    const policy = written(clusterPolicy('p', {}, { conditions: [odd, other] }), everywhere(1));
    assert.deepEqual(
      policy.conditions!.map(({ type, status }) => `${String(type)} ${String(status)}`),
      ['Ready Maybe', 'Accepted True', 'Programmed True'],
    );
    assert.equal(policy.conditions![1]!['lastTransitionTime'], t1);
    assert.deepEqual(policy.conditions![0], other);
  });

  it('tell what changes', () => {
    const fresh = clusterPolicy('p');
    const lagging = written(fresh, lags(3, 'n1'));
    const complete = written(fresh, everywhere(3));
    const edited = (policy: ClusterPolicy): ClusterPolicy => ({ ...policy, generation: 2 });
    const change = (policy: ClusterPolicy, coverage: Coverage) =>
      changeOf(policy.conditions!, wantedConditions(policy, coverage));
    assert.deepEqual(
      [
        change(fresh, lags(3, 'n1')),
        change(fresh, everywhere(3)),
        change(lagging, everywhere(3)),
        change(lagging, lags(3, 'n2')),
        change(complete, lags(3, 'n1')),
        change(complete, everywhere(4)),
        change(complete, everywhere(3)),
        change(edited(complete), lags(3, 'n1')),
        change(edited(complete), everywhere(3)),
        change({ ...complete, issues: clusterPolicy('p', { ingress: [{}] }).issues }, everywhere(3)),
      ],
      ['spec', 'complete', 'complete', 'progress', 'regress', 'count', undefined, 'spec', 'complete', 'spec'],
    );
  });

  it('wait for as long as their change is worth, and the most urgent is first (S10.30)', () => {
    const changes = new Map(Object.keys(patience).map((change) => [`policy ${change}`, { change } as never]));
    const waiting = wait(new Map(), changes, 1000);
    assert.deepEqual(dueOf(waiting, 1000), ['policy complete']);
    assert.deepEqual(dueOf(waiting, 4000), ['policy complete', 'policy spec']);
    assert.equal(dueOf(waiting, 601_000).length, 5);
    // The same change goes on waiting, and another one begins anew.
    assert.equal(wait(waiting, changes, 2000).get('policy spec')!.since, 1000);
    const later = wait(waiting, new Map([['policy spec', { change: 'regress' as const }]]), 2000);
    assert.deepEqual([...later], [['policy spec', { change: 'regress', since: 2000 }]]);
  });
});
