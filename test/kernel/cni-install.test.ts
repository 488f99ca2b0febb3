import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { pluginEntry, pluginType } from '../../src/cni/plugin-entry.ts';
import { CniNetwork, type CniConfigList } from '../../src/lab/cni.ts';
import { createNamespace, deleteNamespace, enterNamespace, namespacePath } from '../../src/lab/network-namespace.ts';
import { pluginDirectory } from '../../src/lab/preflight.ts';
import { buildCniProgram } from '../support/cni-program.ts';
import { needMachine } from './cluster.ts';

const killed = fileURLToPath(new URL('killed-installer.ts', import.meta.url));
const ipam = { type: 'host-local', subnet: '10.99.0.0/24' };
const conf = JSON.stringify({ cniVersion: '1.0.0', name: 'one', type: 'ptp', ipam });
const list = `{
  "name": "many", "cniVersion": "0.4.0", "unknown": [ 1.0 ],
  "plugins": [ { "type": "ptp", "ipam": ${JSON.stringify(ipam)} }, { "type": "tuning" } ]
}
`;

/** Real files, real kills, and after each kill a real pod network by the configuration that a runtime would read. */
describe('an installer of the CNI plugin that is killed (kernel)', function () {
  this.timeout(240_000);
  const node = `postern-${process.pid}-install`;
  const pod = `${node}-pod`;
  let directory: string;
  let program: string;
  before(async function () {
    await needMachine(this, 'ptp');
    program = await buildCniProgram(this);
    directory = await mkdtemp(join(tmpdir(), 'postern-install-'));
    await createNamespace(node);
  });
  after(async () => {
    await deleteNamespace(node).catch(() => {});
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const entry = pluginEntry({ socket: '/nonexistent/cni.sock', failurePolicy: 'Ignore', timeoutSeconds: 1 });
  const inNode = (name: string): string => join(directory, name);
  const reset = async (name: string, text: string): Promise<void> => {
    for (const each of ['net.d', 'bin', 'cache', 'ipam']) await rm(inNode(each), { recursive: true, force: true });
    for (const each of ['net.d', 'bin']) await mkdir(inNode(each));
    for (const each of await readdir(pluginDirectory))
      await symlink(join(pluginDirectory, each), join(inNode('bin'), each));
    await writeFile(
      join(inNode('net.d'), name),
      text.replace('"host-local"', `"host-local","dataDir":"${inNode('ipam')}"`),
    );
  };
  /** Returns whether the process was killed. */
  const run = async (action: 'install' | 'removal', killedAt: number): Promise<boolean> => {
    const args = [killed, action, inNode('net.d'), inNode('bin'), program, JSON.stringify(entry), String(killedAt)];
    const { signal, exitCode, stderr } = await execa(process.execPath, args, { reject: false });
    assert.ok(signal === 'SIGKILL' || exitCode === 0, stderr);
    return signal === 'SIGKILL';
  };
  /** Starts and ends a pod by the first configuration, and returns the types of its plugins. */
  const startPod = async (): Promise<string[]> => {
    const [first] = (await readdir(inNode('net.d'))).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
    const read = JSON.parse(await readFile(join(inNode('net.d'), first!), 'utf8')) as CniConfigList;
    const config = first!.endsWith('.conflist') ? read : ({ ...read, plugins: [read] } as unknown as CniConfigList);
    const enter = (file: string, args: readonly string[]) => enterNamespace(node, file, args);
    const network = new CniNetwork({ config, pluginDirectory: inNode('bin'), cacheDirectory: inNode('cache'), enter });
    const attachment = {
      containerId: randomBytes(8).toString('hex'),
      netns: namespacePath(pod),
      ifName: 'eth0',
      args: [],
      capabilityArgs: {},
    };
    await createNamespace(pod);
    try {
      const { ips } = await network.add(attachment);
      assert.match(ips![0]!.address, /^10\.99\.0\./);
      await network.check(attachment);
      await network.delete(attachment);
    } finally {
      await deleteNamespace(pod);
    }
    return config.plugins.map(({ type }) => type);
  };
  const filesOf = async (): Promise<Record<string, string>> => {
    const names = await readdir(inNode('net.d'));
    const texts = await Promise.all(names.map((name) => readFile(join(inNode('net.d'), name), 'utf8')));
    return Object.fromEntries(names.map((name, index) => [name, texts[index]!]));
  };

  const cases = {
    '10-many.conflist': { text: list, types: ['ptp', 'tuning'] },
    '10-one.conf': { text: conf, types: ['ptp'] },
  };
  for (const [name, { text, types }] of Object.entries(cases)) {
    it(`leaves a node that starts pods, and the next one goes on: ${name}`, async () => {
      await reset(name, text);
      const original = await filesOf();
      assert.deepEqual(await startPod(), types, 'without the plugin');
      for (const action of ['install', 'removal'] as const) {
        await cp(directory, `${directory}.before`, { recursive: true, verbatimSymlinks: true });
        for (let killedAt = 0; ; killedAt++) {
          const wasKilled = await run(action, killedAt);
          const found = await startPod();
          assert.deepEqual(
            found.filter((type) => type !== pluginType),
            types,
          );
          if (!wasKilled) break;
          assert.equal(await run(action, -1), false);
          assert.equal((await startPod()).includes(pluginType), action === 'install');
          // From the beginning, to be killed one operation later.
          await rm(directory, { recursive: true });
          await cp(`${directory}.before`, directory, { recursive: true, verbatimSymlinks: true });
        }
        await rm(`${directory}.before`, { recursive: true });
        assert.equal((await startPod()).includes(pluginType), action === 'install');
      }
      assert.deepEqual(await filesOf(), original);
      assert.equal((await readdir(inNode('bin'))).includes(pluginType), false);
    });
  }
});
