import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, it } from 'mocha';

const root = resolve(import.meta.dirname, '../..');

/** Makes this Node say that it is an old one, before anything else of the program runs. */
const pretend = (version: string): string =>
  `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`;

/** Says that it is there when it is ready for a signal. */
const mainSource = `
const words: string[] = process.argv.slice(2);
if (words[0] === 'wait') {
  process.on('SIGINT', () => process.exit(7));
  setInterval(() => {}, 1000);
}
console.log('main', ...words);
if (words[0] === 'die') process.kill(process.pid, 'SIGTERM');
process.exitCode = 5;
`;

describe('bin/postern.js', function () {
  this.timeout(180_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-bin-'));
    await mkdir(join(folder, 'src'));
    await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    await writeFile(join(folder, 'src/main.ts'), mainSource);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const start = (version: string, ...args: string[]) =>
    execa(process.execPath, ['--import', pretend(version), join(folder, 'bin/postern.js'), ...args], { reject: false });
  const install = async (withNode: boolean): Promise<void> => {
    await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
    if (withNode) await symlink(process.execPath, join(folder, 'node_modules/.bin/node'));
  };

  it('says what to do where no packages are installed, whatever Node runs it', async () => {
    for (const version of ['18.0.0', '20.20.2', '24.21.0']) {
      const { exitCode, stdout, stderr } = await start(version);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(stderr, /^postern: .*npm ci --ignore-scripts.*$/);
    }
  });

  for (const version of ['20.20.2', '22.22.0', '24.11.9']) {
    it(`runs main.ts with the Node of the packages, if Node ${version} runs it`, async () => {
      await install(true);
      const { exitCode, stdout, stderr } = await start(version, 'a', '--b');
      assert.deepEqual([exitCode, stdout, stderr], [5, 'main a --b', '']);
      const { signal } = await start(version, 'die');
      assert.equal(signal, 'SIGTERM');
    });

    it(`says what to do where Node ${version} runs it and there is no other`, async () => {
      await install(false);
      const { exitCode, stderr } = await start(version);
      assert.equal(exitCode, 2);
      assert.match(stderr, /^postern: Node .* is too old: it needs 24\.12.*npm ci --ignore-scripts brings$/);
    });
  }

  for (const version of ['24.12.0', '25.0.0']) {
    it(`runs main.ts itself on Node ${version}`, async () => {
      await install(false);
      const { exitCode, stdout } = await start(version, 'a');
      assert.deepEqual([exitCode, stdout], [5, 'main a']);
    });
  }

  for (const version of ['20.20.2', '24.21.0']) {
    it(`keeps what Node ${version} runs compiled, beside the packages`, async () => {
      await install(true);
      await start(version);
      assert.ok((await readdir(join(folder, 'node_modules/.cache/node'), { recursive: true })).length > 1);
    });
  }

  it('passes signals on, and ends as main.ts ends', async () => {
    await install(true);
    const running = start('20.20.2', 'wait');
    for await (const line of running) if (line === 'main wait') running.kill('SIGINT');
    assert.equal((await running).exitCode, 7);
  });

  it('is what npx runs, without a warning', async () => {
    const { stdout, stderr } = await execa('npx', ['postern', '--version'], { cwd: root });
    assert.match(stdout, /^[0-9]+\.[0-9]+\.[0-9]+$/);
    assert.equal(stderr, '');
  });
});
