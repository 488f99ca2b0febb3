import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { afterEach, describe, it } from 'mocha';
import { runInPod } from '../../src/watch/exec.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';

const target = { namespace: 'system', name: 'agent-x', container: 'agent' };

describe('a program that is run in a container', () => {
  let server: ExecServer | undefined;
  afterEach(() => server?.close());

  async function run(answer: ExecAnswer, patienceMs = 20_000): Promise<string> {
    server = await startExecServer(() => answer);
    return runInPod(server.config, target, ['postern', 'node', 'flows', '-o', 'json'], { patienceMs });
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

  it('over TLS that it checks, it is asked for with the token of the user, below the path of the server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-exec-'));
    const [cert, key] = [join(folder, 'crt'), join(folder, 'key')];
    const subject = ['-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await execa('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', ...subject]);
    const tls = { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
    await rm(folder, { recursive: true });
    server = await startExecServer(() => ({ stdout: ['x'] }), {}, tls);
    const cluster = { ...server.config.getCurrentCluster()!, server: `${server.url}/clusters/a/` };
    const config = new KubeConfig();
    config.loadFromClusterAndUser(cluster, server.config.getCurrentUser()!);
    equal(await runInPod(config, target, ['true'], { patienceMs: 20_000 }), 'x');
    const [asked] = server.execs;
    equal(asked!.path, '/clusters/a/api/v1/namespaces/system/pods/agent-x/exec');
    equal(asked!.headers.authorization, 'Bearer secret');
    const stranger = new KubeConfig();
    const { caData, ...unknown } = cluster;
    ok(caData);
    stranger.loadFromClusterAndUser(unknown, server.config.getCurrentUser()!);
    await rejects(runInPod(stranger, target, ['true'], { patienceMs: 20_000 }), { code: 'unreachable' });
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
      message: 'pod system/agent-x: not allowed: you need the verbs get and create on pods/exec',
    }));

  it('a pod that has gone is told', () => rejects(run({ refused: 404 }), { code: 'refused', status: 404 }));

  it('what broke off half-way is no answer', () =>
    rejects(run({ stdout: ['{"flows":['], ending: 'break' }), { code: 'unreachable' }));

  it('one that never ends is given up', () =>
    rejects(run({ stdout: ['x'], ending: 'hang' }, 50), {
      code: 'silent',
      message: 'pod system/agent-x: no answer within 0.05 s',
    }));
});
