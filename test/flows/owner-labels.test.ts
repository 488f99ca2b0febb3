import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ownerLabels } from '../../src/flows/owner-labels.ts';

describe('labels of owners', () => {
  it('leave out what controllers set', () => {
    const own = { app: 'web', 'example.org/job-name': 'x', tier: '' };
    const ofControllers = {
      'pod-template-hash': '7c65d6cfc9',
      'controller-revision-hash': 'x',
      'controller-uid': 'x',
      'job-name': 'x',
      'statefulset.kubernetes.io/pod-name': 'db-0',
      'apps.kubernetes.io/pod-index': '0',
      'batch.kubernetes.io/job-name': 'x',
      'batch.kubernetes.io/job-completion-index': '1',
      'topology.kubernetes.io/zone': 'a',
    };
    deepEqual(ownerLabels({ ...ofControllers, ...own }), own);
  });

  it('leave out a common name only where a controller has set it', () => {
    const knative = {
      app: 'hello-00001',
      'serving.knative.dev/service': 'hello',
      'serving.knative.dev/revision': 'hello-00001',
    };
    deepEqual(ownerLabels(knative), { 'serving.knative.dev/service': 'hello' });
    deepEqual(ownerLabels({ ...knative, app: 'hello' }).app, 'hello');
    deepEqual(ownerLabels({ deployment: 'web-12', deploymentconfig: 'web' }), { deploymentconfig: 'web' });
    deepEqual(ownerLabels({ deployment: 'web-12' }), { deployment: 'web-12' });
  });

  it('are ordered by key, so that equal sets have equal texts', () => {
    deepEqual(Object.keys(ownerLabels({ b: '1', a: '2' })), ['a', 'b']);
  });

  it('of a pod with too many are none', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key-${index}`, 'v'.repeat(60)]));
    deepEqual(ownerLabels(many), {});
  });
});
