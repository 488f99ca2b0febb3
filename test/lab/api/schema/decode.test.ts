import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { resources } from '../../../../src/lab/api/resources.ts';
import { Store } from '../../../../src/lab/api/store.ts';
import { decode } from '../../../../src/lab/api/schema/decode.ts';
import { podObject, policyObject } from '../objects.ts';
import { refusalOf } from '../refusal.ts';

describe('decoding', () => {
  it('reads null as absent, and in lists and maps as the zero value', () => {
    const spec = {
      podSelector: { matchLabels: { a: null } },
      ingress: [{ from: [{ podSelector: null }, null] }],
      egress: null,
    };
    const unknown: string[] = [];
    const decoded = decode(resources.networkpolicies.schema, policyObject(spec), unknown) as { spec: unknown };
    assert.deepEqual(decoded.spec, { podSelector: { matchLabels: { a: '' } }, ingress: [{ from: [{}, {}] }] });
    assert.deepEqual(unknown, []);
  });

  it('stores no empty lists and maps, but empty objects', () => {
    const spec = { podSelector: { matchLabels: {} }, ingress: [{ from: [], ports: [] }], egress: [] };
    const decoded = decode(resources.networkpolicies.schema, policyObject(spec), []) as { spec: unknown };
    assert.deepEqual(decoded.spec, { podSelector: {}, ingress: [{}] });
  });

  it('leaves out unknown fields at every depth and names them', () => {
    const peer = { namespaceSelectr: {}, ipBlock: { cidr: '10.0.0.0/8', exept: [] } };
    const unknown: string[] = [];
    const policy = policyObject({ ingress: [{}, { from: [peer] }], toString: 1 });
    const decoded = decode(resources.networkpolicies.schema, policy, unknown) as { spec: unknown };
    assert.deepEqual(unknown, [
      'spec.ingress[1].from[0].namespaceSelectr',
      'spec.ingress[1].from[0].ipBlock.exept',
      'spec.toString',
    ]);
    assert.deepEqual(decoded.spec, { podSelector: {}, ingress: [{}, { from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] });
  });
});

describe('field validation', () => {
  const typo = policyObject({ podSelectr: {}, ingres: [] });

  it('Strict refuses unknown fields, by the path of each', () => {
    const refusal = refusalOf(() => new Store().create('networkpolicies', typo));
    assert.deepEqual(
      [refusal.code, refusal.message],
      [
        400,
        'NetworkPolicy in version "v1" cannot be handled as a NetworkPolicy: strict decoding error: unknown field "spec.podSelectr", unknown field "spec.ingres"',
      ],
    );
  });

  it('Warn drops and tells, Ignore drops', () => {
    const warnings: string[] = [];
    const onWarning = (warning: string): number => warnings.push(warning);
    const created = new Store().create('networkpolicies', typo, { fieldValidation: 'Warn', onWarning });
    assert.deepEqual(created.spec, { podSelector: {}, policyTypes: ['Ingress'] });
    assert.deepEqual(warnings, ['unknown field "spec.podSelectr"', 'unknown field "spec.ingres"']);
    new Store().create('networkpolicies', typo, { fieldValidation: 'Ignore', onWarning });
    assert.equal(warnings.length, 2);
  });

  it('lets controllers write a status field that the kind lacks, and leaves it out', () => {
    const store = new Store();
    const pod = store.create('pods', podObject('a'));
    const updated = store.updateStatus('pods', { ...pod, status: { phase: 'Running', replicas: 1 } });
    assert.deepEqual(updated.status, { phase: 'Running' });
  });

  const mismatches = [
    {
      labels: { version: 1 },
      why: 'cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    },
    {
      labels: ['a'],
      why: 'cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string',
    },
    {
      containers: [{ name: 'a', ports: [{ containerPort: '80' }] }],
      why: 'cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    },
    {
      containers: [{ name: 'a', ports: [{ containerPort: 8.5 }] }],
      why: 'cannot unmarshal number 8.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    },
    { hostNetwork: 'true', why: 'cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool' },
  ];
  for (const { labels, why, ...spec } of mismatches) {
    it(`refuses a wrong type: ${why}`, () => {
      const pod = podObject('a', labels ? { labels: labels as unknown as Record<string, string> } : {}, spec);
      const refusal = refusalOf(() => new Store().create('pods', pod));
      assert.deepEqual(
        [refusal.code, refusal.message],
        [400, `Pod in version "v1" cannot be handled as a Pod: json: ${why}`],
      );
    });
  }

  it('refuses another kind or version than the path names', () => {
    const refusal = refusalOf(() => new Store().create('pods', { ...podObject('a'), apiVersion: 'v2' }));
    assert.equal(refusal.code, 400);
  });
});
