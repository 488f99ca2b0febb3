import { deepEqual, throws } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { idsOfManifests, readNames } from '../../../src/cli/proof/select.ts';

describe('names of policies', () => {
  for (const [text, namespace, id] of [
    ['shop/web', undefined, 'shop/web'],
    ['shop/web', 'office', 'shop/web'],
    ['web', 'shop', 'shop/web'],
    ['networkpolicy/web', 'shop', 'shop/web'],
    ['netpol/web', 'shop', 'shop/web'],
    // As `kubectl apply -o name` prints them.
    ['networkpolicy.networking.k8s.io/web', 'shop', 'shop/web'],
    ['clusternetworkpolicy.policy.networking.k8s.io/guard', 'shop', '/guard'],
    ['clusternetworkpolicy/guard', undefined, '/guard'],
    ['cnp/guard', undefined, '/guard'],
  ] as const) {
    it(`reads ${text}${namespace === undefined ? '' : ` in ${namespace}`}`, () =>
      deepEqual(readNames([text], namespace), [id]));
  }

  for (const text of ['web', 'networkpolicy/web', '', '/', '/web', 'shop/', 'a/b/c', 'cnp/']) {
    it(`refuses ${JSON.stringify(text)}`, () =>
      throws(() => readNames([text], undefined), /name a policy as NAMESPACE/));
  }

  it('come from manifests too, and other kinds do not count', () => {
    const of = (kind: string, apiVersion: string, metadata: object) => ({ kind, apiVersion, metadata });
    const objects = [
      of('Namespace', 'v1', { name: 'shop' }),
      of('NetworkPolicy', 'networking.k8s.io/v1', { namespace: 'shop', name: 'web' }),
      of('NetworkPolicy', 'networking.k8s.io/v1', { name: 'bare' }),
      of('NetworkPolicy', 'crd.projectcalico.org/v1', { namespace: 'shop', name: 'other' }),
      of('ClusterNetworkPolicy', 'policy.networking.k8s.io/v1alpha2', { name: 'guard' }),
    ];
    deepEqual(idsOfManifests(objects, undefined), ['shop/web', 'default/bare', '/guard']);
    deepEqual(idsOfManifests(objects, 'office'), ['shop/web', 'office/bare', '/guard']);
  });
});
