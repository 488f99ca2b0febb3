import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ApiReader } from '../../src/watch/api-client.ts';
import { ApiError, statusError } from '../../src/watch/api-error.ts';
import { getPod } from '../../src/watch/get-pod.ts';
import { pod } from '../support/objects.ts';

const options = { signal: new AbortController().signal, silenceMs: 1000 };
const asked: string[] = [];

function server(answer: unknown): ApiReader {
  return {
    async get(path, { query }) {
      asked.push([path, ...Object.keys(query)].join(' '));
      if (answer instanceof Error) throw answer;
      return (async function* () {
        yield Buffer.from(JSON.stringify(answer));
      })();
    },
  };
}

const get = (answer: unknown) => getPod(server(answer), { namespace: 'x', name: 'a' }, options);

describe('getPod', () => {
  it('reads the pod as the watch would, from no cache of the server', async () => {
    const found = await get(pod('x/a', { ips: ['10.1.0.1'], labels: { app: 'web' } }));
    assert.deepEqual([found?.uid, found?.labels, found?.addresses], ['x/a', { app: 'web' }, ['10.1.0.1']]);
    assert.equal(asked.at(-1), '/api/v1/namespaces/x/pods/a');
  });

  it('has none where the server has none', async () => {
    assert.equal(await get(statusError(404, { kind: 'Status', reason: 'NotFound' })), undefined);
  });

  for (const [what, answer, code] of [
    ['may not be asked', statusError(403, {}), 'refused'],
    ['does not answer', new ApiError('silent', 'nothing came'), 'silent'],
    ['answers with another pod', pod('x/b'), 'malformed'],
    ['answers with no pod', { kind: 'Status' }, 'malformed'],
  ] as const) {
    it(`rejects where the server ${what}`, () => assert.rejects(get(answer), { code }));
  }

  it('asks for names that could be read as paths under that very name', async () => {
    await getPod(server(statusError(404, {})), { namespace: 'x', name: '../b?c' }, options);
    assert.equal(asked.at(-1), '/api/v1/namespaces/x/pods/..%2Fb%3Fc');
  });
});
