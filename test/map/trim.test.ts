import { deepEqual, doesNotMatch, match } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { findWorkloads } from '../../src/flows/workloads.ts';
import { applyObjects } from '../../src/impact/changes.ts';
import { declaredPortsOf } from '../../src/impact/declared-ports.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { trimObjects } from '../../src/map/trim.ts';
import { suggest } from '../../src/suggest/suggest.ts';
import { scenes, wanted } from '../suggest/random-traffic.ts';
import { hostileCluster } from '../support/hostile-cluster.ts';
import { namespace, node, pod } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { tieredClusters } from '../support/random-cluster.ts';
import { runs } from '../support/runs.ts';

const secret = 'hunter2';

/** What a real object has too, and the page does not need. */
function withSecrets(object: ApiObject): ApiObject {
  const annotations = { ...(object.metadata['annotations'] as object | undefined), note: secret };
  const metadata = { ...object.metadata, annotations, managedFields: [secret], finalizers: [secret] };
  if (object.kind !== 'Pod') {
    const status = { ...(object['status'] as object | undefined), images: [{ names: [secret] }], conditions: [secret] };
    return { ...object, metadata, ...(object.kind.endsWith('Policy') ? {} : { status }) };
  }
  const { containers = [], initContainers = [], ...spec } = object.spec as Record<string, JsonObject[]>;
  const fill = (container: JsonObject): JsonObject => ({
    ...container,
    ...{ image: secret, args: ['-localip', secret], command: [secret], env: [{ name: 'PASSWORD', value: secret }] },
    ...{ volumeMounts: [{ name: secret, mountPath: '/' }], livenessProbe: { httpGet: { host: secret } } },
    ports: ((container['ports'] ?? []) as JsonObject[]).map((port) => ({ ...port, hostIP: secret })),
  });
  return {
    ...object,
    metadata: { ...metadata, ownerReferences: [{ kind: 'Job', name: 'j-12345678', controller: true, uid: secret }] },
    spec: {
      ...spec,
      ...{ containers: containers.map(fill), initContainers: initContainers.map(fill) },
      ...{ volumes: [{ name: secret }], serviceAccountName: secret, hostAliases: [{ hostnames: [secret] }] },
    },
    status: { ...(object['status'] as object), message: secret, containerStatuses: [{ image: secret }] },
  };
}

function whatTheEvaluatorReads(objects: Iterable<JsonObject>): unknown {
  const { policies, ...cluster } = prepareCluster(objects);
  return { ...cluster, policies: policies.all };
}

const nameWorkloads = (objects: readonly JsonObject[]) =>
  findWorkloads(objects).map(({ namespace: home, name, pods }) => [home, name, pods.map(declaredPortsOf)]);

describe('what the page has of objects', () => {
  it('is all that the evaluator and the names of workloads need', () => {
    fc.assert(
      fc.property(tieredClusters, (random) => {
        const objects = random.map(withSecrets);
        const trimmed = trimObjects(objects);
        deepEqual(whatTheEvaluatorReads(trimmed), whatTheEvaluatorReads(objects));
        deepEqual(nameWorkloads(trimmed), nameWorkloads(objects));
        doesNotMatch(JSON.stringify(trimmed), /hunter2/);
      }),
      { numRuns: runs(300) },
    );
  });

  it('is the same of unusual objects, and of objects that are none', () => {
    const odd: JsonObject[] = [
      { kind: 'Pod' },
      { kind: 'Pod', metadata: 7, spec: [], status: null },
      { kind: 'Pod', metadata: { name: ['a'], labels: { a: 1 } }, spec: { containers: [null, { ports: [7] }] } },
      { kind: 'Pod', metadata: { name: 'x' }, status: { podIPs: [{ ip: 9 }, '10.0.0.1', { ip: '10.0.0.2' }] } },
      { kind: 'Node', metadata: { name: 'n' }, status: { addresses: [null, { address: 'n1.example' }] } },
      { kind: 'NetworkPolicy', metadata: { name: 'p', annotations: 'postern.dev/mode' } },
      { kind: 'NetworkPolicy', metadata: { name: 'q', annotations: { 'postern.dev/mode': 7 } }, spec: 'all' },
      { kind: 'ClusterNetworkPolicy', metadata: { name: 'r' }, spec: null },
      { kind: 'constructor' },
      { kind: 'NetworkPolicy', apiVersion: 'crd.projectcalico.org/v1', metadata: { name: 'c' }, spec: {} },
    ];
    const objects = [...hostileCluster().map(withSecrets), ...odd];
    const trimmed = trimObjects(objects);
    deepEqual(whatTheEvaluatorReads(trimmed), whatTheEvaluatorReads(objects));
    deepEqual(nameWorkloads(trimmed), nameWorkloads(objects));
  });

  it('is enough for suggestions', () => {
    fc.assert(
      fc.property(scenes, ({ objects, seen }) => {
        const raw = [...objects, nodeLocalDns].map(withSecretsBeside);
        const [ofRaw, ofTrimmed] = [raw, trimObjects(raw)].map((each) => suggest(each, seen, wanted));
        deepEqual(essence(ofTrimmed!), essence(ofRaw!));
      }),
      { numRuns: runs(50) },
    );
  });

  it('has of the arguments of node-local DNS its addresses alone, and none of a pod with its label elsewhere', () => {
    const text = JSON.stringify(trimObjects([nodeLocalDns, { ...nodeLocalDns, metadata: tenant }]));
    match(text, /"args":\["-localip","169\.254\.25\.10,fd00::10"\]/);
    deepEqual(text.match(/"args"/g)?.length, 1);
    doesNotMatch(text, /hunter2/);
  });

  it('lets a what-if take away the labels that the last apply has set', () => {
    const lastApplied = JSON.stringify({
      metadata: { labels: { purpose: secret }, annotations: { token: secret } },
      spec: secret,
    });
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': lastApplied };
    const known = {
      ...namespace('shop', { purpose: 'test', other: 'kept' }),
      metadata: { name: 'shop', labels: { purpose: 'test', other: 'kept' }, annotations },
    };
    const [ofRaw, ofTrimmed] = [[known], trimObjects([known])].map((each) =>
      applyObjects(each, [namespace('shop', {})]),
    );
    deepEqual(ofTrimmed!.objects, ofRaw!.objects);
    deepEqual(ofTrimmed!.changes, [{ object: 'Namespace shop', change: 'changed' }]);
    doesNotMatch(JSON.stringify(trimObjects([known])), /hunter2/);
  });

  it('leaves out other kinds', () => {
    const kinds = trimObjects([
      { kind: 'Secret', data: secret },
      { kind: 'Service' },
      {},
      pod('shop/web'),
      node('n1'),
    ]).map(({ kind }) => kind);
    deepEqual(kinds, ['Pod', 'Node']);
  });
});

const tenant = { namespace: 'shop', name: 'web', labels: { 'k8s-app': 'node-local-dns' } };
const nodeLocalDns: ApiObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...tenant, namespace: 'kube-system' },
  spec: {
    nodeName: 'n1',
    hostNetwork: true,
    containers: [
      { name: 'sidecar', args: ['-v'] },
      { name: 'cache', args: ['-localip', '169.254.25.10,fd00::10,hunter2', '-conf', 'hunter2'] },
    ],
  },
  status: { phase: 'Running' },
};

function withSecretsBeside(object: ApiObject): ApiObject {
  return object === nodeLocalDns ? object : withSecrets(object);
}

function essence({ suggestions, notes }: ReturnType<typeof suggest>): unknown {
  return { notes, suggestions: suggestions.map(({ policy, leftOut, replay }) => ({ policy, leftOut, replay })) };
}
