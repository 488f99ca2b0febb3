import { deepEqual, equal, throws } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { wantedPolicies } from '../../../src/doctor/proof/wanted.ts';
import { prepareCluster } from '../../../src/evaluator/cluster.ts';
import type { ApiObject } from '../../../src/manifests/load.ts';
import { policiesOfManifests, readNames, selectPolicies } from '../../../src/cli/proof/select.ts';

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
    const ids = (namespace: string): string[] => [...policiesOfManifests(objects, namespace).keys()];
    deepEqual(ids('default'), ['shop/web', 'default/bare', '/guard']);
    deepEqual(ids('office'), ['shop/web', 'office/bare', '/guard']);
  });
});

describe('a policy of a manifest', () => {
  const web = (spec: object, metadata: object = {}) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace: 'shop', ...metadata },
    spec,
  });
  const audited = { annotations: { 'postern.dev/mode': 'audit' } };
  const from = [{ podSelector: {} }];
  const full = web(
    {
      podSelector: { matchLabels: { app: 'web', tier: 'front' } },
      policyTypes: ['Ingress'],
      ingress: [{ from, ports: [{ port: 80, protocol: 'TCP' }] }],
    },
    { uid: 'u', generation: 3, resourceVersion: '7', labels: { a: 'b' }, annotations: { note: 'n' } },
  );
  const rules = {
    podSelector: { matchLabels: { tier: 'front', app: 'web' } },
    ingress: [{ from, ports: [{ port: 80 }] }],
  };
  const rows: readonly (readonly [name: string, given: object, isSame: boolean])[] = [
    ['without defaults, and with other labels', web(rules), true],
    [
      'with empty lists',
      web({ ...rules, egress: [], podSelector: { ...rules.podSelector, matchExpressions: [] } }),
      true,
    ],
    ['with null', web({ ...rules, egress: null }), true],
    ['with another port', web({ ...rules, ingress: [{ from, ports: [{ port: 81 }] }] }), false],
    ['without the peer', web({ ...rules, ingress: [{ ports: [{ port: 80 }] }] }), false],
    ['with an empty peer selector removed', web({ ...rules, ingress: [{ from: [{}], ports: [{ port: 80 }] }] }), false],
    ['with another selector', web({ ...rules, podSelector: {} }), false],
    ['with egress', web({ ...rules, policyTypes: ['Ingress', 'Egress'] }), false],
    ['in audit', web(rules, audited), false],
  ];
  for (const [name, given, isSame] of rows) {
    it(`${name} is ${isSame ? 'the' : 'another'} version`, () => {
      const policies = policiesOfManifests([given as ApiObject], 'shop');
      const wanted = wantedPolicies([full], prepareCluster([full]));
      const [found] = selectPolicies(wanted, { kind: 'ids', ids: ['shop/web'], given: policies });
      equal(found!.isOtherVersion, isSame ? undefined : true);
    });
  }

  it('of a ClusterNetworkPolicy too', () => {
    const guard = (action: string): ApiObject => ({
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard' },
      spec: {
        tier: 'Admin',
        priority: 1,
        subject: { namespaces: {} },
        ingress: [{ action, from: [{ namespaces: {} }] }],
      },
    });
    const wanted = wantedPolicies([guard('Deny')], prepareCluster([guard('Deny')]));
    const isOther = (action: string) => {
      const given = policiesOfManifests([guard(action)], 'shop');
      return selectPolicies(wanted, { kind: 'ids', ids: ['/guard'], given })[0]!.isOtherVersion;
    };
    deepEqual([isOther('Deny'), isOther('Accept')], [undefined, true]);
  });
});
