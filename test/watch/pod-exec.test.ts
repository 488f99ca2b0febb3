import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { execInPod, type CommandOutcome } from '../../src/watch/pod-exec.ts';
import { startExecServer, type ExecServer, type ExecSession } from './exec-server.ts';

describe('a command in a container', () => {
  let server: ExecServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const run = async (
    options: Parameters<typeof startExecServer>[0],
    signal = new AbortController().signal,
  ): Promise<CommandOutcome> => {
    server = await startExecServer(options);
    const command = ['postern', 'node', 'doctor', '-o', 'json'];
    return execInPod(server.config, { namespace: 'x', pod: 'agent-1', container: 'agent', command, signal });
  };

  it('ends with its exit code and what it said, all of it', async () => {
    const long = 'x'.repeat(200_000);
    let seen: ExecSession | undefined;
    const outcome = await run({
      run: (session) => {
        seen = session;
        session.send(1, '{"a":');
        session.send(2, 'a word');
        session.send(1, long);
        session.exit(1);
      },
    });
    assert.deepEqual(outcome, { exitCode: 1, stdout: `{"a":${long}`, stderr: 'a word' });
    assert.equal(seen?.url.pathname, '/api/v1/namespaces/x/pods/agent-1/exec');
    assert.deepEqual(seen.url.searchParams.getAll('command'), ['postern', 'node', 'doctor', '-o', 'json']);
    assert.deepEqual(
      ['container', 'stdout', 'stderr', 'stdin', 'tty'].map((name) => seen?.url.searchParams.get(name)),
      ['agent', 'true', 'true', 'false', 'false'],
    );
    await seen.closed;
  });

  it('sends no token over a connection that is not TLS', async () => {
    let seen: ExecSession | undefined;
    await run({ run: (session) => ((seen = session), session.exit(0)) });
    assert.equal(seen?.headers.authorization, undefined);
  });

  for (const [status, message] of [
    [403, /^not allowed: you need the verbs get and create on pods\/exec$/],
    [404, /^the pod does not exist$/],
    [500, /^the API server answered with status 500$/],
  ] as const) {
    it(`says why it was refused with ${status}`, async () => {
      await assert.rejects(run({ refuse: () => status }), { name: 'ApiError', code: 'refused', status, message });
    });
  }

  it('does not take a connection that breaks for an end', async () => {
    const refused = { name: 'ApiError', code: 'unreachable', message: /broke before the command had ended/ };
    await assert.rejects(run({ run: (session) => (session.send(1, '{}'), session.cut()) }), refused);
  });

  it('says why a command could not be started', async () => {
    const status = {
      status: 'Failure',
      reason: 'InternalError',
      message: 'exec: "postern": executable file not found',
    };
    await assert.rejects(run({ run: (session) => session.send(3, JSON.stringify(status)) }), {
      code: 'refused',
      message: 'exec: "postern": executable file not found',
    });
  });

  it('says that there is no server', async () => {
    server = await startExecServer({});
    const { config } = server;
    await server.close();
    server = undefined;
    const wanted = { namespace: 'x', pod: 'p', container: 'c', command: [], signal: new AbortController().signal };
    await assert.rejects(execInPod(config, wanted), { code: 'unreachable', message: /ECONNREFUSED/ });
  });

  it('asks nothing once it has been told to stop', async () => {
    const reason = new Error('enough');
    await assert.rejects(run({ run: () => assert.fail('asked') }, AbortSignal.abort(reason)), reason);
  });

  it('leaves nothing open when it is told to stop', async () => {
    const abort = new AbortController();
    const session = Promise.withResolvers<ExecSession>();
    const running = run({ run: session.resolve }, abort.signal);
    const { closed } = await session.promise;
    const reason = new Error('enough');
    abort.abort(reason);
    await assert.rejects(running, reason);
    await closed;
  });
});
