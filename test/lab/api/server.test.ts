import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { policyObject } from './objects.ts';
import { RunningServer } from './running-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const policies = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';

/** Behaviour of the lab's server only. Behaviour that it shares with a real server is in contract/. */
describe('the API server', () => {
  let server: RunningServer;
  before(async () => void (server = await RunningServer.start()));
  after(() => server.close());

  const refused = [
    { what: 'a path that does not decode', path: '/api/v1/namespaces/%zz/pods', code: 404, reason: 'NotFound' },
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
  ];
  for (const { what, path, code, reason, ...options } of refused) {
    it(`refuses ${what} with ${code} ${reason}`, async () => {
      const { body } = await server.call(path, options);
      assert.deepEqual([body.kind, body.reason, body.code], ['Status', reason, code]);
    });
  }

  it('warns in a header that any text fits', async () => {
    const body = policyObject({ 'ünknown"': 1 });
    const { code, headers } = await server.call(`${policies}?dryRun=All`, { method: 'POST', body });
    assert.deepEqual([code, headers['warning']], [201, String.raw`299 - "unknown field \"spec.?nknown\"\""`]);
  });

  it('validates fields if kubectl asks for it', async () => {
    const { paths } = (await server.call('/openapi/v3')).body;
    const document = (await server.call(paths['apis/networking.k8s.io/v1'].serverRelativeURL)).body;
    const [path] = Object.values(document.paths) as [{ patch: { parameters: { name: string }[] } }];
    assert.ok(path.patch.parameters.some(({ name }) => name === 'fieldValidation'));
  });
});
