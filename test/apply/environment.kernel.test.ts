import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { checkBridgeTables, checkNfTables, checkNftVersion } from '../../src/apply/environment.ts';
import { exec, type Exec, type ExecResult } from '../../src/apply/exec.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();

function answering(result: Partial<ExecResult>): Exec {
  return async () => ({ exitCode: 0, stdout: '', stderr: '', ...result });
}

describe('the version of nft', () => {
  for (const [stdout, problem] of [
    ['nftables v1.1.3 (Commodore Bullmoose #4)', undefined],
    ['nftables v1.0.7 (Old Doc Yak)', undefined],
    ['nftables v1.1 (x)', undefined],
    ['nftables v2.0.0 (x)', undefined],
    ['nftables v1.0.6 (Lester Gooch #5)', /^nft 1\.0\.6 is too old: install nftables 1\.1\.3 or later$/],
    ['nftables v1.0 (x)', /^nft 1\.0\.0 is too old/],
    ['nftables v0.9.9 (x)', /^nft 0\.9\.9 is too old/],
    ['usage', /^nft printed no version: "usage"$/],
  ] as const) {
    it(`is ${problem ? 'refused' : 'taken'}: ${stdout}`, async () => {
      const found = await checkNftVersion(answering({ stdout }), signal);
      if (problem) assert.match(found!, problem);
      else assert.equal(found, undefined);
    });
  }

  it('does not suffice if it cannot look up ports of connections (K40)', async () => {
    const problemOf = (stderr: string) => checkNftVersion(answering({ stdout: 'nftables v1.1.0 (x)', stderr }), signal);
    const stderr = 'Error: can not use variable sized data types (invalid) in concat expressions\nadd rule …\n';
    assert.match((await problemOf(stderr))!, /^this nft does not support `ct reply proto-src`/);
    assert.equal(await problemOf('Error: Could not process rule: No such file or directory\n'), undefined);
  });

  it('names nftables when there is none', async () => {
    const missing: Exec = (_, args, options) => exec('/nonexistent/nft', args, options);
    assert.match(
      (await checkNftVersion(missing, signal))!,
      /^nft cannot be run: install nftables 1\.1\.3 or later \(.*ENOENT/,
    );
  });
});

describe('nf_tables', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  before(async function () {
    kernel = await openKernel(this);
  });
  after(() => kernel?.close());

  it('can be used by root, with the nft of this machine', async () => {
    assert.equal(await checkNftVersion(kernel.exec, signal), undefined);
    assert.equal(await checkNfTables(kernel.exec, signal), undefined);
  });

  it('cannot be used by others', async () => {
    const nobody: Exec = (file, args, options) =>
      kernel.exec('setpriv', ['--reuid', '65534', '--clear-groups', '--inh-caps=-all', file, ...args], options);
    assert.match((await checkNfTables(nobody, signal))!, /not permitted: run as root, or with CAP_NET_ADMIN/);
  });

  it('is missing from a kernel without it', async () => {
    const stderr = 'netlink: Error: cache initialization failed: Protocol not supported\n';
    const problem = await checkNfTables(answering({ exitCode: 1, stderr }), signal);
    assert.match(problem!, /load the kernel module nf_tables \(nft: netlink: Error: .*Protocol not supported\)/);
  });

  it('of Linux 5.12 and older does not suffice', async () => {
    const stderr = '<cmdline>:1:1-2: Error: Could not process rule: Invalid argument\nadd map …\n';
    const old: Exec = async (_, [command], __) => ({ exitCode: command === '--check' ? 1 : 0, stdout: '', stderr });
    assert.match((await checkNfTables(old, signal))!, /use Linux 5\.13 or newer \(nft: .*Invalid argument\)$/);
  });

  it('is asked without leaving a table', async () => {
    await checkNfTables(kernel.exec, signal);
    assert.equal((await kernel.exec('nft', ['list', 'tables'], { signal })).stdout, '');
  });
});

describe('tables of bridges', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  before(async function () {
    kernel = await openKernel(this);
  });
  after(() => kernel?.close());

  it('are taken by this kernel, and asking leaves none', async () => {
    assert.equal(await checkBridgeTables(kernel.exec, signal), undefined);
    assert.equal((await kernel.exec('nft', ['list', 'tables'], { signal })).stdout, '');
  });

  it('are missing from a kernel without them', async () => {
    const stderr = 'Error: Could not process rule: Address family not supported by protocol\n';
    const problem = await checkBridgeTables(answering({ exitCode: 1, stderr }), signal);
    assert.match(problem!, /^this kernel has no nftables for bridges/);
  });

  it('are not the matter where nft itself cannot be run, or may not', async () => {
    const stderr = 'Error: Could not process rule: Operation not permitted\n';
    assert.equal(await checkBridgeTables(answering({ exitCode: 1, stderr }), signal), undefined);
    const missing: Exec = (_, args, options) => exec('/nonexistent/nft', args, options);
    assert.equal(await checkBridgeTables(missing, signal), undefined);
  });
});
