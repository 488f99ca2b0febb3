import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, before, beforeEach, describe, it } from 'mocha';
import type { CniAnswer } from '../../src/cni/answer.ts';
import type { CniRequest } from '../../src/cni/request.ts';
import { startCniServer, type CniServer } from '../../src/cni/server.ts';
import { buildCniProgram } from '../support/cni-program.ts';

/** Byte for byte, with what a reader of JSON would change. */
const prevResult = '{ "cniVersion":"1.0.0", "ips":[ {"address":"10.1.0.5/24"} ],"x":"}]\\"\\u0041é", "n":1.0e400 }';
const args = 'K8S_POD_NAMESPACE=x;K8S_POD_NAME=web;K8S_POD_UID=u1';

describe('the program of the CNI plugin', function () {
  this.timeout(180_000);
  let program: string;
  let directory: string;
  let socket: string;
  let server: CniServer | undefined;
  let other: Server | undefined;
  let requests: CniRequest[];
  let refused: string[];
  before(async function () {
    program = await buildCniProgram(this);
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-cni-'));
    [socket, requests, refused] = [join(directory, 'run', 'cni.sock'), [], []];
  });
  afterEach(async () => {
    await server?.close();
    other?.close();
    [server, other] = [undefined, undefined];
    await rm(directory, { recursive: true, force: true });
  });

  const serve = async (answer: CniAnswer | (() => Promise<CniAnswer>), requestMs = 5000): Promise<void> => {
    server = await startCniServer({
      path: socket,
      interfaces: 'eth0',
      requestMs,
      refused: (reason) => refused.push(reason),
      handle: (request) => {
        requests.push(request);
        return typeof answer === 'function' ? answer() : Promise.resolve(answer);
      },
    });
  };
  const run = async (command: string, fields: Readonly<Record<string, string>> = {}, input?: string) => {
    const all = { cniVersion: '"1.0.0"', name: '"pods"', socket: JSON.stringify(socket), prevResult, ...fields };
    const text = `{ ${Object.entries(all)
      .map(([name, value]) => `"${name}" : ${value}`)
      .join(' , ')} }`;
    const env = { CNI_COMMAND: command, CNI_CONTAINERID: 'c1', CNI_NETNS: '/n', CNI_IFNAME: 'eth0', CNI_ARGS: args };
    const { stdout, exitCode } = await execa(program, { env, input: input ?? text, reject: false });
    return { stdout, exitCode };
  };
  const codeOf = ({ stdout }: { readonly stdout: string }): number => (JSON.parse(stdout) as { code: number }).code;
  const printed = { stdout: prevResult, exitCode: 0 };

  it('prints the result of the plugins before it, unchanged, once the agent says ok', async () => {
    await serve({ kind: 'ok' });
    assert.deepEqual(await run('ADD'), printed);
    const [{ command, subject, file }] = requests as [CniRequest];
    assert.deepEqual([command, subject.kind, file], ['ADD', 'pod', 'pods-c1-eth0']);
    for (const each of ['CHECK', 'DEL', 'GC', 'STATUS'])
      assert.deepEqual(await run(each), { stdout: '', exitCode: 0 }, each);
    assert.equal(requests.length, 5);
  });

  it('answers VERSION without an agent', async () => {
    const { stdout, exitCode } = await run('VERSION');
    const { cniVersion, supportedVersions } = JSON.parse(stdout) as { cniVersion: string; supportedVersions: string[] };
    assert.deepEqual([exitCode, cniVersion], [0, '1.0.0']);
    assert.deepEqual(new Set(['0.4.0', '1.0.0', '1.1.0']).difference(new Set(supportedVersions)), new Set());
  });

  it('does what its failurePolicy says without an answer, and never lets DEL and GC fail', async () => {
    const aways: Readonly<Record<string, () => Promise<void>>> = {
      'no socket': async () => {},
      late: () => serve({ kind: 'late', reason: 'not "yet"' }),
      'closes at once': () => listen((client) => client.destroy()),
      'ends in the middle of its answer': () => listen((client) => client.end('error {"cniVersion"')),
      'says something else': () => listen((client) => client.end('yes\n')),
      'sends without end': () => listen((client) => client.end(`ok${' '.repeat(1 << 20)}`)),
    };
    for (const [what, begin] of Object.entries(aways)) {
      await begin();
      assert.deepEqual(await run('ADD'), codes(await run('ADD'), 11), what);
      assert.deepEqual(
        await run('ADD', { failurePolicy: '"Fail"' }),
        codes(await run('ADD', { failurePolicy: '"Fail"' }), 11),
      );
      assert.deepEqual(await run('ADD', { failurePolicy: '"Ignore"' }), printed, what);
      assert.equal(codeOf(await run('STATUS', { failurePolicy: '"Fail"' })), 50, what);
      for (const each of ['STATUS', 'CHECK'])
        assert.equal((await run(each, { failurePolicy: '"Ignore"' })).exitCode, 0, what);
      for (const each of ['DEL', 'GC']) assert.equal((await run(each, { failurePolicy: '"Fail"' })).exitCode, 0, what);
      await server?.close();
      other?.close();
      [server, other] = [undefined, undefined];
      await rm(dirname(socket), { recursive: true, force: true });
    }
  });

  it('waits for an agent that does not answer only as long as its configuration says', async () => {
    await serve(() => new Promise(() => {}));
    const limits = { timeoutSeconds: '1', failurePolicy: '"Fail"' };
    const { stdout } = await run('ADD', limits);
    assert.match(stdout, /"code":11,.*the agent has not answered in time/);
  });

  it('prints all of a long result for a reader that comes after its time limit', async () => {
    const long = `{"x":"${'x'.repeat(300_000)}"}`;
    const input = `{"cniVersion":"1.0.0","timeoutSeconds":1,"failurePolicy":"Ignore","socket":"${socket}","prevResult":${long}}`;
    // The limit is 3 s. The pipe takes 64 KiB, so the program still prints then.
    const late = ['-c', '"$1" | { sleep 4; wc -c; }', 'sh', program];
    const { stdout } = await execa('sh', late, { env: { CNI_COMMAND: 'ADD' }, input });
    assert.equal(Number(stdout), long.length + 1);
  });

  it('never fails at the end of a pod because of the configuration', async () => {
    for (const input of ['', '{"a":', `{"a":"${'x'.repeat(2 << 20)}"}`]) {
      for (const command of ['DEL', 'GC']) assert.equal((await run(command, {}, input)).exitCode, 0, command);
    }
  });

  it('prints the error of the agent', async () => {
    await serve({ kind: 'error', code: 100, message: 'a "table"' });
    const { stdout, exitCode } = await run('CHECK', { failurePolicy: '"Ignore"' });
    assert.deepEqual(
      [exitCode, JSON.parse(stdout)],
      [1, { cniVersion: '1.0.0', code: 100, msg: 'postern-cni: a "table"', details: '' }],
    );
  });

  it('refuses a configuration that it cannot use, and asks nobody', async () => {
    await serve({ kind: 'ok' });
    assert.equal(codeOf(await run('ADD', {}, '')), 6);
    assert.equal(codeOf(await run('ADD', {}, '{"a":')), 6);
    assert.equal(codeOf(await run('ADD', {}, '{"prevResult":{}} x')), 6);
    assert.equal(codeOf(await run('ADD', {}, `{"a":"${'x'.repeat(2 << 20)}"}`)), 6);
    assert.equal(codeOf(await run('ADD', {}, '{"socket":"/s"}')), 7);
    assert.equal(codeOf(await run('ADD', { socket: `"/${'x'.repeat(200)}"` })), 7);
    assert.equal(codeOf(await run('')), 4);
    assert.deepEqual(requests, []);
  });

  it('can be called by root only', async () => {
    await serve({ kind: 'ok' });
    await chmod(directory, 0o755);
    assert.equal((await stat(dirname(socket))).mode & 0o777, 0o700);
    const ask = `
import os, socket, sys
if len(sys.argv) > 2: os.setgid(65534); os.setuid(65534)
client = socket.socket(socket.AF_UNIX); client.connect(sys.argv[1])`;
    const { stderr, exitCode } = await execa('python3', ['-c', ask, socket, 'nobody'], { reject: false });
    assert.match(`${exitCode} ${stderr}`, /PermissionError/);
    // The socket has no rights for others either.
    await chmod(dirname(socket), 0o755);
    assert.match((await execa('python3', ['-c', ask, socket, 'nobody'], { reject: false })).stderr, /PermissionError/);
    assert.equal((await execa('python3', ['-c', ask, socket])).exitCode, 0);
  });

  it('serves 500 calls at once, beside clients that hold the socket or send too much', async () => {
    const { promise: all, resolve } = Promise.withResolvers<CniAnswer>();
    await serve(() => {
      if (requests.length === 500) resolve({ kind: 'ok' });
      return all;
    }, 20_000);
    const slow = Array.from({ length: 20 }, () => open('postern-cni 1\0ADD'));
    const large = open('x'.repeat(3 << 20));
    const request = [
      'postern-cni 1',
      'ADD',
      'c1',
      '/n',
      'eth0',
      args,
      `{"name":"pods","prevResult":${prevResult}}`,
    ].join('\0');
    const calls = Array.from({ length: 500 }, () => readAll(open(request, true)));
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(['ok\n']));
    await readAll(large);
    assert.deepEqual(refused, ['the request is too long']);
    for (const each of slow) each.destroy();
  });

  it('gives up a client that sends slowly', async () => {
    await serve({ kind: 'ok' }, 1000);
    assert.match(await readAll(open('postern-cni 1\0ADD')), /^late the request did not end in time/);
    assert.deepEqual(await run('ADD'), printed);
    assert.deepEqual(refused, ['the request did not end in time']);
  });

  function codes(result: { readonly stdout: string; readonly exitCode?: number | undefined }, code: number) {
    assert.deepEqual([codeOf(result), result.exitCode], [code, 1]);
    return result;
  }

  async function listen(answer: (client: Socket) => void): Promise<void> {
    await serve({ kind: 'ok' });
    await server!.close();
    server = undefined;
    other = createServer({ allowHalfOpen: true }, (client) => {
      client.on('error', () => client.destroy());
      client.resume().on('end', () => answer(client));
    });
    other.listen(socket);
    await once(other, 'listening');
  }

  function open(text: string, isWhole = false): Socket {
    const client = connect({ path: socket, allowHalfOpen: true });
    client.on('error', () => client.destroy());
    if (isWhole) client.end(text);
    else client.write(text);
    return client;
  }

  async function readAll(client: Socket): Promise<string> {
    let text = '';
    client.on('data', (chunk: Buffer) => (text += chunk.toString()));
    if (!client.closed) await Promise.race([once(client, 'end'), once(client, 'close')]);
    client.destroy();
    return text;
  }
});
