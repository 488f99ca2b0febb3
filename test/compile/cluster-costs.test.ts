import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { namespace, pod, policy } from '../support/objects.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';

const crowd = Array.from({ length: 800 }, (_, index) => {
  return pod(`y/p${index}`, { node: 'n2', ips: [`10.2.${index >> 8}.${index & 255}`] });
});
const objects = [
  ...[namespace('x'), namespace('y', { 'kubernetes.io/metadata.name': 'y' })],
  ...[pod('x/web', { ips: ['10.1.0.1'] }), pod('x/client', { node: 'n2', ips: ['10.1.0.2'] }), ...crowd],
  policy('x/p', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }),
];
const budgets = { policy: 1700, namespace: 3400, node: 60_000 };

function guard(rules: number): ApiObject {
  const from = [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } } }];
  const protocols = Array.from({ length: 25 }, (_, index) => ({ tcp: { destinationPort: { number: 1 + index } } }));
  return {
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'guard', uid: 'guard' },
    spec: {
      ...{ tier: 'Admin', priority: 1, subject: { namespaces: {} } },
      // The set of all that the first rule accepts is the larger part of what the class costs.
      ingress: [
        { action: 'Accept', from, protocols: [{ tcp: { destinationPort: { number: 99 } } }] },
        ...Array.from({ length: rules }, () => ({ action: 'Deny', from, protocols })),
      ],
    },
  };
}

function leftOut(cluster: ApiObject): string[] {
  return [
    ...startPipeline('n1', [...objects, cluster], { budgets })
      .plan(undefined)
      .compiled.oversized.keys(),
  ];
}

describe('what ClusterNetworkPolicies cost (S10.23)', () => {
  it('is not for the namespaces of the pods to pay', () => {
    assert.deepEqual(leftOut(guard(1)), []);
  });

  it('counts before rules cut the ports of each other, and takes no other policy with it', () => {
    assert.deepEqual(leftOut(guard(200)), ['/guard']);
  });
});
