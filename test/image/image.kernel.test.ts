import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import { createNamespace, deleteNamespace, enterNamespace } from '../../src/lab/network-namespace.ts';
import { eventually } from '../kernel/eventually.ts';
import { skipTest } from '../support/skip.ts';

const root = resolve(import.meta.dirname, '../..');
const scripts = join(root, 'scripts/image');
const namespace = `postern-image-${process.pid}`;
const port = 8001;

/** Read-only but for /run, as a pod with that one volume. */
const mounts = `
mount --bind "$1/rootfs" "$1/rootfs"
mount -o remount,bind,ro "$1/rootfs"
mount -t proc proc "$1/rootfs/proc"
mount --rbind /dev "$1/rootfs/dev"
mount --bind "$1/run" "$1/rootfs/run"
enter=$2 rootfs=$1/rootfs
shift 2
exec python3 "$enter" "$rootfs" "$@"`;

describe('the image', function () {
  this.timeout(600_000);
  let folder: string;
  let environment: Record<string, string>;

  before(async function () {
    if (process.getuid?.() !== 0) skipTest(this, 'network namespaces need root');
    if (!['x64', 'arm64'].includes(process.arch)) skipTest(this, `there is no image for ${process.arch}`);
    folder = await mkdtemp(join(tmpdir(), 'postern-image-'));
    await execa('sh', [join(scripts, 'rootfs.sh'), join(folder, 'rootfs')]);
    await mkdir(join(folder, 'run'));
    await createNamespace(namespace);
    const { Env } = (await readConfig(await pack('first.tar'))).config;
    environment = Object.fromEntries(Env.map((each) => each.split('=', 2) as [string, string]));
  });
  after(async () => {
    if (folder === undefined) return;
    await deleteNamespace(namespace);
    await rm(folder, { recursive: true });
  });

  async function pack(name: string, rootfs = 'rootfs'): Promise<string> {
    const tar = join(folder, name);
    await execa('sh', [join(scripts, 'pack.sh'), join(folder, rootfs), tar, 'example.org/postern:test']);
    return tar;
  }

  async function unpack(tar: string, member: string): Promise<string> {
    return (await execa('tar', ['-xOf', tar, member])).stdout;
  }

  async function readConfig(tar: string): Promise<ImageConfig> {
    const [image] = JSON.parse(await unpack(tar, 'manifest.json')) as [{ Config: string }];
    return JSON.parse(await unpack(tar, image.Config)) as ImageConfig;
  }

  /** A process in a container of the image, with the network of a node. */
  function start(program: string, args: readonly string[]) {
    const wanted = ['-m', 'sh', '-ec', mounts, 'sh', folder, join(import.meta.dirname, 'enter.py'), program, ...args];
    // The tools that lead there are the machine's.
    const path = `${environment['PATH']}:/usr/local/bin:/bin:/sbin`;
    return execa(...enterNamespace(namespace, 'unshare', wanted), {
      env: { ...environment, PATH: path },
      extendEnv: false,
      reject: false,
    });
  }

  const postern = (...args: string[]) => start('/usr/bin/postern', args);

  it('holds no shell, and only the programs that are needed', () => {
    const programs = globSync('usr/{bin,sbin}/*', { cwd: join(folder, 'rootfs') }).map((path) => path.slice(4));
    assert.deepEqual(programs.sort(), ['bin/node', 'bin/postern', 'sbin/conntrack', 'sbin/ip', 'sbin/nft']);
  });

  it('runs every command line', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    assert.equal((await postern('--version')).stdout, version);
    const own = await execa(process.execPath, [join(root, 'src/main.ts'), 'agent', '--help']);
    assert.equal((await postern('agent', '--help')).stdout, own.stdout);
    const lab = await postern('lab', 'run', '-f', 'policies/');
    assert.match(lab.stderr, /^postern: the image has no lab/);
    assert.equal(lab.exitCode, 2);
  });

  it('explains from manifests as the source does', async () => {
    const manifests = join(root, 'examples/first-light');
    await execa('cp', ['-r', manifests, join(folder, 'run/manifests')]);
    const question = ['office/desk', 'shop/api', 'TCP/8080'];
    const own = await execa(process.execPath, [join(root, 'src/main.ts'), 'explain', '-f', manifests, ...question], {
      reject: false,
    });
    assert.equal(own.exitCode, 1);
    const image = await postern('explain', '-f', '/run/manifests', ...question);
    assert.equal(image.stdout, own.stdout);
    assert.equal(image.exitCode, 1);
  });

  it('runs nft, ip and conntrack, and neither writes its files nor holds another right', async () => {
    const probe = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { execFileSync } from 'node:child_process';
      console.log(/CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      try { writeFileSync('/etc/passwd', ''); } catch ({ code }) { console.log(code); }
      execFileSync('nft', ['-j', 'list', 'tables']);
      execFileSync('conntrack', ['-L', '-o', 'extended'], { stdio: 'pipe' });
      console.log(JSON.parse(execFileSync('ip', ['-j', 'link', 'show', 'lo']))[0].ifname);`;
    const { stdout, stderr } = await start('/usr/bin/node', ['--input-type=module', '-e', probe]);
    assert.deepEqual([stdout.split('\n'), stderr], [[(1 << 12).toString(16).padStart(16, '0'), 'EROFS', 'lo'], '']);
  });

  it('tells what the node tracks, with the one right that an agent has', async () => {
    const { stdout, stderr } = await postern('node', 'flows', '-o', 'json', '--node-name', 'n1');
    const { node, flows } = JSON.parse(stdout) as { node: string; flows: unknown[] };
    assert.deepEqual([node, flows, stderr], ['n1', [], '']);
  });

  it('enforces: the agent becomes ready, and the rules are in the kernel', async () => {
    assert.doesNotMatch(await enforce(), /netlink failed/);
  });

  it('enforces without the native part of koffi, and says so', async () => {
    const native = join(folder, 'rootfs/usr/lib/postern/koffi.node');
    await rename(native, `${native}.away`);
    await execa(...enterNamespace(namespace, 'nft', ['flush', 'ruleset']));
    assert.match(await enforce(), /netlink failed: until it recovers, nft writes all changes/);
    await rename(`${native}.away`, native);
  });

  /** Runs an agent until its rules are in the kernel. Returns its log. */
  async function enforce(): Promise<string> {
    await writeFile(join(folder, 'run/kubeconfig'), kubeconfigText(`http://127.0.0.1:${port}`));
    const server = [join(import.meta.dirname, 'api-server.ts'), join(folder, 'api.sock'), String(port)];
    const api = execa(...enterNamespace(namespace, process.execPath, server), { reject: false });
    await once(api.stdout, 'data');
    const flags = ['--node-name', 'n1', '--kubeconfig', '/run/kubeconfig', '--listen', 'unix:/run/agent.sock'];
    const agent = postern('agent', ...flags);
    let ended: string | undefined;
    void agent.then(({ stdout }) => (ended = stdout));
    try {
      await eventually(async () => {
        if (ended !== undefined) assert.fail(`the agent ended: ${ended}`);
        const { status, body } = await ask('/readyz?verbose');
        return status === 200 ? undefined : body;
      });
      for (const [table, map, address] of [
        ['ip', 'ingress4', /10\.244\.0\.2 : jump/],
        ['ip6', 'ingress6', /fd00:10:244::2 : jump/],
      ] as const) {
        const { stdout } = await execa(...enterNamespace(namespace, 'nft', ['list', 'map', table, 'postern', map]));
        assert.match(stdout, address);
      }
      const { body } = await ask('/metrics');
      const resident = Number(/^process_resident_memory_bytes (\d+)/m.exec(body)?.[1]);
      const { size } = await stat(join(folder, 'first.tar'));
      process.stdout.write(`      image ${mebibytes(size)} MB, agent ${mebibytes(resident)} MB resident\n`);
    } finally {
      agent.kill();
      api.kill();
      await Promise.all([agent, api]);
    }
    const { exitCode, stdout } = await agent;
    assert.equal(exitCode, 0);
    return stdout;
  }

  function ask(path: string): Promise<{ status: number; body: string }> {
    return new Promise((answered) => {
      const failed = (error: Error): void => answered({ status: 0, body: error.message });
      request({ socketPath: join(folder, 'run/agent.sock'), path }, (response) => {
        text(response).then((body) => answered({ status: response.statusCode ?? 0, body }), failed);
      })
        .on('error', failed)
        .end();
    });
  }

  it('is the same bytes whenever the files were written', async () => {
    await execa('cp', ['-RP', join(folder, 'rootfs'), join(folder, 'copy')]);
    const [first, again] = [join(folder, 'first.tar'), await pack('again.tar', 'copy')];
    assert.ok((await readFile(first)).equals(await readFile(again)));
  });

  it('starts as the Dockerfile says', async () => {
    const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8');
    const { Entrypoint, Env } = (await readConfig(join(folder, 'first.tar'))).config;
    assert.deepEqual(JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)![1]!), Entrypoint);
    assert.deepEqual(/^ENV (.*)$/m.exec(dockerfile)![1]!.split(' '), Env);
    assert.equal(await readlink(join(folder, 'rootfs', Entrypoint[0]!)), '../lib/postern/postern.mjs');
  });
});

interface ImageConfig {
  readonly config: { readonly Entrypoint: readonly string[]; readonly Env: readonly string[] };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
