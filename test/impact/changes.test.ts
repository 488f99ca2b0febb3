import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyObjects, deleteObjects } from '../../src/impact/changes.ts';
import type { ObjectChange } from '../../src/impact/changes.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { objectAt } from '../../src/lib/json.ts';

const web: JsonObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'shop', name: 'web', resourceVersion: '7', annotations: {} },
  spec: { podSelector: { matchLabels: { a: '1', b: '2' } }, policyTypes: ['Ingress'] },
};
const shop: JsonObject = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: 'shop',
    labels: { team: 'x', env: 'prod', old: '1' },
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': '{"metadata":{"labels":{"env":"prod","old":"1"}}}',
    },
  },
};
const pod: JsonObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name: 'web-0', labels: { app: 'web' } },
  spec: { nodeName: 'n1', containers: [{ image: 'a', ports: [{ containerPort: 80 }] }] },
  status: { phase: 'Running', podIPs: [{ ip: '10.1.0.2' }] },
};
const cluster = [shop, web, pod];

function said(changes: readonly ObjectChange[]): string[] {
  return changes.map(({ object, change }) => `${object}: ${change}`);
}

describe('objects that are applied', () => {
  it('a policy is unchanged if only the order of its fields or its reader differs', () => {
    const again = {
      ...web,
      metadata: { namespace: 'shop', name: 'web' },
      spec: { policyTypes: ['Ingress'], podSelector: { matchLabels: { b: '2', a: '1' } }, ingress: null },
    };
    const { objects, changes } = applyObjects(cluster, [again]);
    deepEqual([said(changes), objects[1]], [['NetworkPolicy shop/web: unchanged'], web]);
  });

  it('an object with differences replaces the old one; a new name creates an object', () => {
    const changed = { ...web, spec: { podSelector: {} } };
    const named = { ...web, metadata: { namespace: 'shop', name: 'other' } };
    const { objects, changes } = applyObjects(cluster, [changed, named]);
    deepEqual(said(changes), ['NetworkPolicy shop/web: changed', 'NetworkPolicy shop/other: created']);
    deepEqual([objects.length, objects[1]], [4, changed]);
  });

  it('an object in a missing namespace is refused, unless the namespace is given too', () => {
    const lost = { ...web, metadata: { namespace: 'shpo', name: 'web' } };
    const refused = applyObjects(cluster, [lost]);
    deepEqual([said(refused.changes), refused.objects], [['NetworkPolicy shpo/web: refused'], cluster]);
    match(refused.changes[0]!.message!, /^namespace shpo does not exist: /);
    const created = applyObjects(cluster, [lost, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shpo' } }]);
    deepEqual(said(created.changes), ['NetworkPolicy shpo/web: created', 'Namespace shpo: created']);
  });

  it('labels of a namespace from other clients stay; labels that the manifest no longer sets are removed', () => {
    const given = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { env: 'test' } } };
    const { objects, changes } = applyObjects(cluster, [given]);
    deepEqual(objectAt(objects[0], 'metadata', 'labels'), { team: 'x', env: 'test' });
    deepEqual(said(changes), ['Namespace shop: changed']);
  });

  it('a pod keeps its node and its addresses', () => {
    const given = {
      ...pod,
      metadata: { namespace: 'shop', name: 'web-0', labels: { app: 'api' } },
      spec: { containers: [] },
      status: {},
    };
    const { objects } = applyObjects(cluster, [given]);
    deepEqual([objectAt(objects[2], 'spec')['nodeName'], objects[2]!['status']], ['n1', pod['status']]);
    const same = { ...pod, spec: { containers: [{ image: 'b', ports: [{ containerPort: 80 }] }] }, status: undefined };
    deepEqual(said(applyObjects(cluster, [same as JsonObject]).changes), ['Pod shop/web-0: unchanged']);
  });

  it('a policy changes with its mode; a mode that apply has not set stays', () => {
    const mode = (value: string, more = {}) => ({
      ...web,
      metadata: { namespace: 'shop', name: 'web', annotations: { 'postern.dev/mode': value, ...more } },
    });
    const last = (metadata: object) => ({
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ metadata }),
    });
    const set = last({ annotations: { 'postern.dev/mode': 'audit' } });
    const cases: [known: JsonObject, given: JsonObject, change: string, after: JsonObject][] = [
      [web, mode('audit'), 'changed', mode('audit')],
      [mode('audit'), web, 'changed', web],
      [mode('audit'), mode('audit'), 'unchanged', mode('audit')],
      [mode('audit', set), web, 'changed', web],
      [mode('audit', last({ name: 'web' })), mode('enforce'), 'changed', mode('enforce')],
    ];
    for (const [known, given, change, after] of cases) {
      const { objects, changes } = applyObjects([shop, known], [given]);
      deepEqual([said(changes), objects[1]], [[`NetworkPolicy shop/web: ${change}`], after]);
      const isUnclear = known === cases[1]![0];
      equal(changes[0]!.message?.startsWith('this is without the annotation'), isUnclear || undefined);
    }
    const known = mode('audit', last({ name: 'web' }));
    const given = { ...web, spec: { podSelector: {} } };
    const kept = applyObjects([shop, known], [given]);
    equal(objectAt(kept.objects[1], 'metadata', 'annotations')['postern.dev/mode'], 'audit');
    deepEqual(said(kept.changes), ['NetworkPolicy shop/web: changed']);
    match(
      kept.changes[0]!.message!,
      /^keeps the annotation postern.dev\/mode: audit, because "kubectl annotate" has set it/,
    );
  });

  it('a NetworkPolicy of another API group is another object', () => {
    const calico = { ...web, apiVersion: 'crd.projectcalico.org/v1', spec: {} };
    const { objects } = applyObjects(cluster, [calico]);
    deepEqual([objects.length, objects[1]], [4, web]);
  });
});

describe('objects that are deleted', () => {
  it('are removed; a missing object is not an error', () => {
    const { objects, changes } = deleteObjects(cluster, [
      web,
      { ...web, metadata: { namespace: 'shop', name: 'other' } },
    ]);
    deepEqual(said(changes), ['NetworkPolicy shop/web: deleted', 'NetworkPolicy shop/other: unchanged']);
    deepEqual(objects, [shop, pod]);
  });

  it('a deleted namespace removes its objects', () => {
    const { objects, changes } = deleteObjects(cluster, [shop]);
    equal(objects.length, 0);
    deepEqual(said(changes), ['Namespace shop: deleted', 'NetworkPolicy shop/web: deleted', 'Pod shop/web-0: deleted']);
  });
});
