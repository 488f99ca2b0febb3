import { deepEqual, equal, rejects } from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { runInPod } from '../../src/watch/exec.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';

const target = { namespace: 'system', name: 'agent-x', container: 'agent' };

describe('a program that is run in a container', () => {
  let server: ExecServer | undefined;
  afterEach(() => server?.close());

  async function run(answer: ExecAnswer, silenceMs = 20_000): Promise<string> {
    server = await startExecServer(() => answer);
    return runInPod(server.config, target, ['postern', 'node', 'flows', '-o', 'json'], { silenceMs });
  }

  it('is what was asked for, and what it prints is whole, also of characters that are cut in two', async () => {
    const text = `ä${'x'.repeat(70_000)}→`;
    equal(await run({ stdout: [text, 'y'], stderr: 'note' }), `${text}y`);
    const [asked] = server!.execs;
    equal(asked!.path, '/api/v1/namespaces/system/pods/agent-x/exec');
    deepEqual(asked!.command, ['postern', 'node', 'flows', '-o', 'json']);
  });

  it('no credentials are sent without TLS', async () => {
    await run({ stdout: ['x'] });
    equal(server!.execs[0]!.headers.authorization, undefined);
  });

  it('one that fails is told with what it said', () =>
    rejects(run({ stderr: "error: unknown command 'node'\n", exitCode: 2 }), {
      code: 'refused',
      message: "postern node flows in pod system/agent-x: error: unknown command 'node'",
    }));

  it('one that fails in silence is told with its exit code', () =>
    rejects(run({ exitCode: 137 }), { message: /: exit code 137$/ }));

  it('a right that the user lacks is named', () =>
    rejects(run({ refused: 403 }), {
      code: 'refused',
      status: 403,
      message: 'pod system/agent-x: you may not use pods/exec there (403): it takes the verbs get and create',
    }));

  it('a pod that has gone is told', () => rejects(run({ refused: 404 }), { code: 'refused', status: 404 }));

  it('what broke off half-way is no answer', () =>
    rejects(run({ stdout: ['{"flows":['], ending: 'break' }), { code: 'unreachable' }));

  it('one that never ends is given up', () =>
    rejects(run({ stdout: ['x'], ending: 'hang' }, 50), {
      code: 'silent',
      message: 'nothing came from pod system/agent-x for 50 ms',
    }));
});
