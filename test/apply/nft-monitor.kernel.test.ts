import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { startNftMonitor, type NftMonitor } from '../../src/apply/nft-monitor.ts';
import type { Transaction } from '../../src/nftables/transactions.ts';
import { openKernel, type Kernel } from './kernel.ts';

describe('an nft that tells of changes', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let folder: string;
  let monitor: NftMonitor;
  let told: Transaction[];

  before(async function () {
    kernel = await openKernel(this);
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  after(async () => {
    await kernel?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() =>
    kernel.sh(
      `nft 'flush ruleset; table ip postern { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; chain c { accept; }; }'`,
    ),
  );
  afterEach(() => monitor.close());

  function start(program = kernel.nft, startMs = 10_000): NftMonitor {
    told = [];
    return (monitor = startNftMonitor((transaction) => told.push(transaction), { program, startMs }));
  }

  async function expectTold(...expected: Transaction[]): Promise<void> {
    while (told.length < expected.length) await new Promise(setImmediate);
    assert.deepEqual(told, expected);
    told.length = 0;
  }

  it('misses nothing from the moment that it listens', async () => {
    for (let turn = 0; turn < 10; turn++) {
      await start().listening;
      await kernel.sh('nft add element ip postern s { 10.0.0.2 }; nft delete element ip postern s { 10.0.0.2 }');
      await expectTold('ours', 'ours');
      monitor.close();
    }
  });

  it('says whose tables were changed', async () => {
    await kernel.sh('nft add table ip other');
    await start().listening;
    await kernel.sh(`nft 'add chain ip other c; add rule ip other c ip saddr { 10.0.0.1, 10.0.0.2 } accept'`);
    await expectTold('others');
    await kernel.sh(`nft flush set ip postern s; nft 'delete table ip other; flush chain ip postern c'`);
    await expectTold('ours', 'ours');
    await kernel.sh(`nft add table ip postern '{ flags dormant; }'`);
    await expectTold('ours');
  });

  it('says that it cannot name what is in a set that is newer than itself', async () => {
    await start().listening;
    await kernel.sh('nft add set ip postern new { type ipv4_addr\\; }; nft add element ip postern new { 10.0.0.1 }');
    await expectTold('ours', 'unnamed');
  });

  it('says nothing of what changes nothing', async () => {
    await start().listening;
    await kernel.sh(
      `nft add table ip postern; nft add element ip postern s { 10.0.0.1 }; nft -c add table ip other; nft list ruleset; nft add table ip other`,
    );
    await expectTold('others');
  });

  it('tells that it has ended', async () => {
    await start().listening;
    await kernel.sh('kill $(ip netns pids $(ip netns identify) | grep -v "^$$\\$")').catch(() => '');
    assert.match(await monitor.ended, /SIGTERM/);
  });

  it('does not count as listening where there is no nft, or it ends or does nothing', async () => {
    await assert.rejects(start('/nonexistent').listening, /ENOENT/);
    await assert.rejects(start(await script('exit 3')).listening, /exit code 3/);
    await assert.rejects(start(await script('exec sleep 60'), 100).listening, /did not start to listen within 0.1 s/);
  });

  async function script(text: string): Promise<string> {
    const path = join(folder, 'nft');
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  }
});
