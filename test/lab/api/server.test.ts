import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { podObject, policyObject } from './objects.ts';
import { RunningServer } from './running-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const policies = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';
const json = { 'content-type': 'application/json' };
const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

describe('the API server', () => {
  let server: RunningServer;
  before(async () => void (server = await RunningServer.start()));
  after(() => server.close());

  it('creates, reads, replaces, patches, lists and deletes', async () => {
    const created = await server.call(policies, { method: 'POST', body: policyObject() });
    assert.deepEqual([created.code, created.body.metadata.generation], [201, 1]);
    const path = `${policies}/policy`;
    const body = { ...created.body, spec: { podSelector: {}, policyTypes: ['Egress'] } };
    assert.equal((await server.call(path, { method: 'PUT', body })).code, 200);
    assert.equal((await server.call(path, { method: 'PUT', body })).code, 409, 'from an older version');
    const headers = { 'content-type': 'application/merge-patch+json' };
    const patched = await server.call(path, { method: 'PATCH', headers, body: { metadata: { labels: { a: 'b' } } } });
    assert.deepEqual([patched.code, patched.body.metadata.labels], [200, { a: 'b' }]);
    const list = await server.call('/apis/networking.k8s.io/v1/networkpolicies?labelSelector=a%3Db');
    assert.deepEqual([list.body.kind, list.body.items.length], ['NetworkPolicyList', 1]);
    assert.equal(list.body.metadata.resourceVersion, patched.body.metadata.resourceVersion);
    const deleted = await server.call(path, { method: 'DELETE' });
    assert.deepEqual(
      [deleted.code, deleted.body.status, deleted.body.details.uid],
      [200, 'Success', created.body.metadata.uid],
    );
    const gone = await server.call(path);
    assert.deepEqual([gone.code, gone.body.kind, gone.body.reason], [404, 'Status', 'NotFound']);
    assert.equal(gone.body.message, 'networkpolicies.networking.k8s.io "policy" not found');
  });

  it('deletes collections by selector', async () => {
    for (const app of ['a', 'b']) server.store.create('pods', podObject(app, { labels: { app } }));
    await server.call(`${pods}?labelSelector=app=a`, { method: 'DELETE' });
    const left = await server.call(pods);
    assert.deepEqual(
      left.body.items.map((pod: { metadata: { name: string } }) => pod.metadata.name),
      ['b'],
    );
    await server.call(pods, { method: 'DELETE' });
  });

  it('binds pods and takes status at their subresources', async () => {
    server.store.create('pods', podObject('a'));
    const target = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'a' }, target: { kind: 'Node', name: 'n1' } };
    assert.equal((await server.call(`${pods}/a/binding`, { method: 'POST', body: target })).code, 201);
    const pod = (await server.call(`${pods}/a`)).body;
    const body = { ...pod, spec: {}, status: { phase: 'Running' } };
    const updated = await server.call(`${pods}/a/status`, { method: 'PUT', body });
    assert.deepEqual([updated.body.spec.nodeName, updated.body.status], ['n1', { phase: 'Running' }]);
    const marked = await server.call(`${pods}/a`, { method: 'DELETE', body: { gracePeriodSeconds: 7 } });
    assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 7);
    const removed = await server.call(`${pods}/a?gracePeriodSeconds=0`, { method: 'DELETE' });
    assert.equal(removed.body.status, 'Success');
  });

  const refused = [
    { what: 'an unknown path', path: '/apis/apps/v1/daemons', code: 404, reason: 'NotFound' },
    { what: 'a namespaced object without its namespace', path: '/api/v1/pods/a', code: 404, reason: 'NotFound' },
    { what: 'a path that does not decode', path: '/api/v1/namespaces/%zz/pods', code: 404, reason: 'NotFound' },
    { what: 'a method that a collection lacks', path: pods, method: 'PUT', code: 405, reason: 'MethodNotAllowed' },
    {
      what: 'creation over all namespaces',
      path: '/api/v1/pods',
      method: 'POST',
      code: 405,
      reason: 'MethodNotAllowed',
    },
    {
      what: 'deletion over all namespaces',
      path: '/api/v1/pods',
      method: 'DELETE',
      code: 405,
      reason: 'MethodNotAllowed',
    },
    {
      what: 'a patch of finalizers',
      path: '/api/v1/namespaces/default/finalize',
      method: 'PATCH',
      code: 405,
      reason: 'MethodNotAllowed',
    },
    { what: 'deletion of a status', path: `${pods}/a/status`, method: 'DELETE', code: 405, reason: 'MethodNotAllowed' },
    { what: 'a body that is no JSON', path: pods, method: 'POST', body: '{', code: 400, reason: 'BadRequest' },
    { what: 'a body that is no object', path: pods, method: 'POST', body: [], code: 400, reason: 'BadRequest' },
    { what: 'another kind', path: pods, method: 'POST', body: policyObject(), code: 400, reason: 'BadRequest' },
    {
      what: 'another namespace than that of the path',
      path: pods,
      method: 'POST',
      body: podObject('a', { namespace: 'kube-system' }),
      code: 400,
      reason: 'BadRequest',
    },
    {
      what: 'a media type it cannot read',
      path: pods,
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: 'a: b',
      code: 415,
      reason: 'UnsupportedMediaType',
    },
    {
      what: 'server-side apply',
      path: `${pods}/a`,
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: '{}',
      code: 415,
      reason: 'UnsupportedMediaType',
    },
    {
      what: 'a grace period that is none',
      path: `${pods}/a`,
      method: 'DELETE',
      body: { gracePeriodSeconds: 'long' },
      code: 400,
      reason: 'BadRequest',
    },
    {
      what: 'an unknown propagation',
      path: `${pods}/a?propagationPolicy=Sideways`,
      method: 'DELETE',
      code: 422,
      reason: 'Invalid',
    },
    {
      what: 'a media type it cannot write',
      path: pods,
      method: 'POST',
      body: podObject('unanswered'),
      headers: { ...json, accept: 'application/yaml' },
      code: 406,
      reason: 'NotAcceptable',
    },
    { what: 'a selector that does not parse', path: `${pods}?labelSelector=a+b`, code: 400, reason: 'BadRequest' },
    {
      what: 'a watch by a selector that does not parse',
      path: `${pods}?watch=1&labelSelector=a+b`,
      code: 400,
      reason: 'BadRequest',
    },
    { what: 'a number that is none', path: `${pods}?limit=many`, code: 400, reason: 'BadRequest' },
    { what: 'a version from the future', path: `${pods}?resourceVersion=99999`, code: 504, reason: 'Timeout' },
    { what: 'initial events', path: `${pods}?watch=1&sendInitialEvents=true`, code: 422, reason: 'Invalid' },
    {
      what: 'an unknown field validation',
      path: `${pods}?fieldValidation=Some`,
      method: 'POST',
      body: podObject('a'),
      code: 422,
      reason: 'Invalid',
    },
  ];
  for (const { what, path, code, reason, ...options } of refused) {
    it(`refuses ${what} with ${code} ${reason}`, async () => {
      const reply = await server.call(path, { headers: json, ...options });
      assert.deepEqual(
        [reply.code, reply.body.kind, reply.body.reason, reply.body.code],
        [code, 'Status', reason, code],
      );
    });
  }

  it('has done nothing that it refused', async () => {
    assert.deepEqual(server.store.list('pods').items, []);
  });

  it('refuses a body that is too large and serves the next request', async () => {
    const body = { ...podObject('a'), padding: 'x'.repeat(4 * 1024 * 1024) };
    assert.equal((await server.call(pods, { method: 'POST', headers: json, body })).code, 413);
    assert.equal((await server.call(pods)).code, 200);
  });

  it('warns of unknown fields unless told otherwise, in a header that any text fits', async () => {
    const body = policyObject({ 'ünknown"': 1 });
    const reply = await server.call(policies, { method: 'POST', headers: json, body });
    assert.deepEqual([reply.code, reply.headers.warning], [201, String.raw`299 - "unknown field \"spec.?nknown\"\""`]);
    const strict = await server.call(`${policies}?fieldValidation=Strict`, { method: 'POST', headers: json, body });
    assert.equal(strict.code, 400);
    await server.call(policies, { method: 'DELETE' });
  });

  it('does nothing on a dry run', async () => {
    const reply = await server.call(`${policies}?dryRun=All`, { method: 'POST', headers: json, body: policyObject() });
    assert.equal(reply.code, 201);
    assert.equal((await server.call(policies)).body.items.length, 0);
  });

  it('draws tables for kubectl', async () => {
    server.store.create('pods', podObject('a', {}, { nodeName: 'n1' }));
    const { body } = await server.call(pods, { headers: { accept: tableType } });
    assert.equal(body.kind, 'Table');
    const shown = body.columnDefinitions.map(
      (column: { name: string; priority: number }) => `${column.name} ${column.priority}`,
    );
    assert.deepEqual(shown, ['Name 0', 'Ready 0', 'Status 0', 'Restarts 0', 'Age 0', 'IP 1', 'Node 1']);
    assert.deepEqual(body.rows[0].cells.with(4, ''), ['a', '0/1', 'Pending', 0, '', '<none>', 'n1']);
    assert.equal(body.rows[0].object.kind, 'PartialObjectMetadata');
  });

  it('describes itself, in the old and the aggregated form alike', async () => {
    const group = (await server.call('/apis/networking.k8s.io/v1')).body;
    assert.deepEqual(group.resources[0].shortNames, ['netpol']);
    const core = (await server.call('/api/v1')).body.resources.map((each: { name: string }) => each.name);
    assert.ok(core.includes('pods/status') && core.includes('namespaces/finalize'));
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
    const aggregated = await server.call('/apis', { headers: { accept } });
    assert.equal(
      aggregated.headers['content-type'],
      'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
    );
    const names = aggregated.body.items.map((each: { metadata: { name: string } }) => each.metadata.name);
    const legacy = (await server.call('/apis')).body.groups.map((each: { name: string }) => each.name);
    assert.deepEqual(names, legacy);
  });

  it('describes every resource it serves in OpenAPI', async () => {
    const { paths } = (await server.call('/openapi/v3')).body;
    const document = (await server.call(paths['apis/networking.k8s.io/v1'].serverRelativeURL)).body;
    const [schema] = Object.values(document.components.schemas) as [{ properties: { spec: { properties: object } } }];
    assert.deepEqual(Object.keys(schema.properties.spec.properties), [
      'podSelector',
      'policyTypes',
      'ingress',
      'egress',
    ]);
  });
});
