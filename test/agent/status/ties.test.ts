import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { findTies } from '../../../src/agent/status/ties.ts';
import { clusterPolicy } from './facts.ts';

const peers = [{ namespaces: {} }];
const rules = (...actions: string[]) => actions.map((action) => ({ action, from: peers, to: undefined }));
const policy = (name: string, spec: object) => clusterPolicy(name, spec).policy;
const subject = (labels: object, namespaces: object = {}) => ({
  pods: { namespaceSelector: namespaces, podSelector: labels },
});
const tied = (...specs: object[]): string[] => {
  const found = findTies(specs.map((spec, index) => policy(`p${index}`, { ingress: rules('Deny'), ...spec })));
  return [...found].flatMap(([id, issue]) => (issue ? [id] : []));
};
const accept = { ingress: rules('Accept') };

describe('ClusterNetworkPolicies with one priority', () => {
  it('are both named, with the other (S10.32)', () => {
    const found = new Map(findTies([policy('a', { ingress: rules('Deny') }), policy('b', accept)]));
    assert.match(found.get('/a')!.message, /^priority 1 of tier Admin is also that of b\. /);
    assert.match(found.get('/b')!.message, /also that of a\. /);
    assert.deepEqual([found.get('/a')!.code, found.get('/a')!.path], ['equal-priority', 'spec.priority']);
  });

  it('are not if their order cannot matter (S10.32)', () => {
    const both = ['/p0', '/p1'];
    for (const [specs, expected] of [
      [[{}, accept], both],
      [[{}, { ...accept, priority: 2 }], []],
      [[{}, { ...accept, tier: 'Baseline' }], []],
      [[{}, {}], []],
      [[{}, { ingress: [] }], []],
      [[{}, { ingress: undefined, egress: [{ action: 'Accept', to: peers }] }], []],
      [[{}, { ingress: rules('Deny', 'Pass') }], both],
      [
        [
          { subject: subject({ matchLabels: { app: 'a' } }) },
          { ...accept, subject: subject({ matchLabels: { app: 'b' } }) },
        ],
        [],
      ],
      [
        [
          { subject: subject({ matchLabels: { app: 'a' } }) },
          { ...accept, subject: subject({ matchLabels: { job: 'b' } }) },
        ],
        both,
      ],
      [
        [
          { subject: { namespaces: { matchLabels: { n: 'a' } } } },
          { ...accept, subject: subject({}, { matchLabels: { n: 'b' } }) },
        ],
        [],
      ],
      [
        [
          { subject: subject({ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }) },
          { ...accept, subject: subject({ matchLabels: { a: 'b' } }) },
        ],
        [],
      ],
      [
        [
          { subject: subject({ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['b', 'c'] }] }) },
          { ...accept, subject: subject({ matchLabels: { a: 'b' } }) },
        ],
        [],
      ],
      [
        [
          { subject: subject({ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['c'] }] }) },
          { ...accept, subject: subject({ matchLabels: { a: 'b' } }) },
        ],
        both,
      ],
    ] as const) {
      assert.deepEqual(tied(...specs), expected, JSON.stringify(specs));
    }
  });

  it('are a thousand: one issue each, of bounded length (S10.32)', () => {
    const thousand = Array.from({ length: 1000 }, (_, i) =>
      policy(`${'n'.repeat(200)}-${i}`, { ingress: rules(i % 2 ? 'Deny' : 'Accept') }),
    );
    const found = [...findTies(thousand)];
    assert.equal(found.filter(([, issue]) => issue).length, 1000);
    for (const [, issue] of found) assert.ok(issue!.message.length < 1000 && /,.*,.* and more\./.test(issue!.message));
  });

  it('count as tied where comparing them would cost too much', () => {
    const of = (prefix: string, count: number) => ({
      subject: subject({
        matchExpressions: [
          { key: 'a', operator: 'In', values: Array.from({ length: count }, (_, index) => `${prefix}${index}`) },
        ],
      }),
    });
    assert.deepEqual(tied(of('a', 100), { ...accept, ...of('b', 100) }), []);
    assert.deepEqual(tied(of('a', 101), { ...accept, ...of('b', 1) }), ['/p0', '/p1']);
  });
});
