import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Reply, RequestOptions } from '../api-caller.ts';
import { podObject, policyObject } from '../objects.ts';
import type { TestedServer } from './tested-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const policies = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';
const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

/** Verbs, refusals and discovery. */
export function describeRequests(server: () => TestedServer): void {
  const call = (path: string, options?: RequestOptions): Promise<Reply> => server().api.call(path, options);
  const create = async (path: string, body: object): Promise<void> => {
    const reply = await call(path, { method: 'POST', body });
    assert.equal(reply.code, 201, JSON.stringify(reply.body));
  };

  describe('requests', () => {
    it('creates, reads, replaces, patches, lists and deletes', async () => {
      const created = await call(policies, { method: 'POST', body: policyObject() });
      assert.deepEqual([created.code, created.body.metadata.generation], [201, 1]);
      const path = `${policies}/policy`;
      const body = { ...created.body, spec: { podSelector: {}, policyTypes: ['Egress'] } };
      assert.equal((await call(path, { method: 'PUT', body })).code, 200);
      assert.equal((await call(path, { method: 'PUT', body })).code, 409, 'from an older version');
      const headers = { 'content-type': 'application/merge-patch+json' };
      const patched = await call(path, { method: 'PATCH', headers, body: { metadata: { labels: { a: 'b' } } } });
      assert.deepEqual([patched.code, patched.body.metadata.labels], [200, { a: 'b' }]);
      const list = await call('/apis/networking.k8s.io/v1/networkpolicies?labelSelector=a%3Db');
      assert.deepEqual([list.body.kind, list.body.items.length], ['NetworkPolicyList', 1]);
      assert.ok(Number(list.body.metadata.resourceVersion) >= Number(patched.body.metadata.resourceVersion));
      const deleted = await call(path, { method: 'DELETE' });
      assert.deepEqual(
        [deleted.code, deleted.body.status, deleted.body.details.uid],
        [200, 'Success', created.body.metadata.uid],
      );
      const gone = await call(path);
      assert.deepEqual([gone.code, gone.body.kind, gone.body.reason], [404, 'Status', 'NotFound']);
      assert.equal(gone.body.message, 'networkpolicies.networking.k8s.io "policy" not found');
    });

    it('binds pods and takes status at their subresources', async () => {
      await create(pods, podObject('a'));
      const target = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a' },
        target: { kind: 'Node', name: 'n1' },
      };
      assert.equal((await call(`${pods}/a/binding`, { method: 'POST', body: target })).code, 201);
      const pod = (await call(`${pods}/a`)).body;
      const body = { ...pod, spec: {}, status: { phase: 'Running' } };
      const updated = await call(`${pods}/a/status`, { method: 'PUT', body });
      assert.deepEqual([updated.body.spec.nodeName, updated.body.status.phase], ['n1', 'Running']);
      const marked = await call(`${pods}/a`, { method: 'DELETE', body: { gracePeriodSeconds: 7 } });
      assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 7);
      await call(`${pods}/a?gracePeriodSeconds=0`, { method: 'DELETE' });
      assert.equal((await call(`${pods}/a`)).code, 404);
    });

    const refused = [
      { what: 'an unknown path', path: '/apis/apps/v1/daemons', code: 404, reason: 'NotFound' },
      { what: 'a namespaced object without its namespace', path: '/api/v1/pods/a', code: 404, reason: 'NotFound' },
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
      {
        what: 'deletion of a status',
        path: `${pods}/a/status`,
        method: 'DELETE',
        code: 405,
        reason: 'MethodNotAllowed',
      },
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
        headers: { 'content-type': 'text/plain' },
        body: 'a: b',
        code: 415,
        reason: 'UnsupportedMediaType',
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
        headers: { accept: 'text/plain' },
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
        const reply = await call(path, options);
        assert.deepEqual(
          [reply.code, reply.body.kind, reply.body.reason, reply.body.code],
          [code, 'Status', reason, code],
        );
      });
    }

    it('did not execute refused requests', async () => {
      assert.deepEqual((await call(pods)).body.items, []);
    });

    it('refuses a body that is too large and serves the next request', async () => {
      const body = { ...podObject('a'), padding: 'x'.repeat(4 * 1024 * 1024) };
      assert.equal((await call(pods, { method: 'POST', body })).code, 413);
      assert.equal((await call(pods)).code, 200);
    });

    it('warns of unknown fields unless told otherwise', async () => {
      const body = policyObject({ unknown: 1 });
      const reply = await call(`${policies}?dryRun=All`, { method: 'POST', body });
      assert.deepEqual(
        [reply.code, reply.headers['warning']],
        [201, String.raw`299 - "unknown field \"spec.unknown\""`],
      );
      const strict = await call(`${policies}?fieldValidation=Strict`, { method: 'POST', body });
      assert.equal(strict.code, 400);
    });

    it('does nothing on a dry run', async () => {
      const reply = await call(`${policies}?dryRun=All`, { method: 'POST', body: policyObject() });
      assert.equal(reply.code, 201);
      assert.equal((await call(policies)).body.items.length, 0);
    });

    it('draws tables for kubectl', async () => {
      await create(pods, podObject('a', {}, { nodeName: 'n1' }));
      const { body } = await call(pods, { headers: { accept: tableType } });
      assert.equal(body.kind, 'Table');
      const shown = body.columnDefinitions.map(
        (column: { name: string; priority: number }) => `${column.name} ${column.priority}`,
      );
      assert.deepEqual(shown.slice(0, 7), ['Name 0', 'Ready 0', 'Status 0', 'Restarts 0', 'Age 0', 'IP 1', 'Node 1']);
      const [cells] = body.rows.map((row: { cells: unknown[] }) => row.cells.map(String));
      assert.deepEqual(cells.with(4, '').slice(0, 7), ['a', '0/1', 'Pending', '0', '', '<none>', 'n1']);
      assert.equal(body.rows[0].object.kind, 'PartialObjectMetadata');
      await call(`${pods}/a?gracePeriodSeconds=0`, { method: 'DELETE' });
    });

    it('lists the resources that it serves', async () => {
      const group = (await call('/apis/networking.k8s.io/v1')).body;
      const served = group.resources.find((each: { name: string }) => each.name === 'networkpolicies');
      assert.deepEqual(served.shortNames, ['netpol']);
      const core = (await call('/api/v1')).body.resources.map((each: { name: string }) => each.name);
      assert.ok(core.includes('pods/status') && core.includes('namespaces/finalize'));
      const groups = (await call('/apis')).body.groups.map((each: { name: string }) => each.name);
      assert.ok(['apps', 'batch', 'networking.k8s.io'].every((each) => groups.includes(each)));
    });
  });
}
