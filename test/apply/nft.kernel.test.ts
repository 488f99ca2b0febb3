import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { after, before, describe, it } from 'mocha';
import { openElementWriter } from '../../src/apply/element-writer.ts';
import { startNftMonitor } from '../../src/apply/nft-monitor.ts';
import { createNft, type Nft } from '../../src/apply/nft.ts';
import { NftError, type NftErrorCode } from '../../src/apply/nft-error.ts';
import { python } from '../../src/lab/pod-process.ts';
import { passingTable } from '../../src/nftables/element-batch.ts';
import type { Transaction } from '../../src/nftables/transactions.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();

async function failureOf(promise: Promise<unknown>): Promise<NftError> {
  const error = await promise.then(
    () => assert.fail('it went well'),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof NftError, String(error));
  return error;
}

describe('nft on a kernel', function () {
  this.timeout(600_000);
  let kernel: Kernel;
  let nft: Nft;

  before(async function () {
    kernel = await openKernel(this);
    nft = createNft({ program: kernel.nft });
  });
  after(() => kernel?.close());

  it('finds no table before there is one, and then lists it', async () => {
    const others = ['ip6', 'bridge'] as const;
    assert.equal(await nft.list('ip', signal), undefined);
    await nft.run('add table ip postern\nadd chain ip postern c\n', { check: false, signal });
    const listing = JSON.parse((await nft.list('ip', signal))!) as { nftables: object[] };
    assert.deepEqual(
      listing.nftables.map((each) => Object.keys(each)[0]),
      ['metainfo', 'table', 'chain'],
    );
    for (const family of others) {
      assert.equal(await nft.list(family, signal), undefined);
      assert.equal(await nft.listChain(family, 'c', signal), undefined);
      await nft.run(`add table ${family} postern\n`, { check: false, signal });
      assert.match((await nft.list(family, signal))!, new RegExp(`"family": "${family}"`));
      assert.equal(await nft.listChain(family, 'c', signal), undefined);
    }
  });

  it('says which lines the kernel refuses, and then nothing of the script holds', async () => {
    const script = [
      'add table inet lines',
      'add chain inet lines a',
      'add rule inet lines nowhere accept',
      'add rule inet lines a accept',
      'delete chain inet lines none',
      '',
    ].join('\n');
    const error = await failureOf(nft.run(script, { check: false, signal }));
    assert.deepEqual([error.code, error.lines, error.script], ['refused', [3, 5], script]);
    assert.match(error.stderr, /No such file or directory/);
    assert.doesNotMatch(await kernel.sh('nft list tables'), /lines/);
  });

  it('says so for a line that is no nft at all', async () => {
    const error = await failureOf(nft.run('add table inet syntax\nadd nonsense\n', { check: false, signal }));
    assert.deepEqual([error.code, error.lines], ['refused', [2]]);
  });

  it('changes nothing when it only checks, and refuses what the kernel would', async () => {
    await nft.run('add table inet checked\n', { check: true, signal });
    assert.doesNotMatch(await kernel.sh('nft list tables'), /checked/);
    const error = await failureOf(nft.run('add rule inet nowhere a accept\n', { check: true, signal }));
    assert.equal(error.code, 'refused');
  });

  /** Counts a packet, keeps it for as long as 50 million rules take, and counts it again. */
  const slow = [
    'add table inet slow',
    'add counter inet slow began',
    'add counter inet slow ended',
    'add set inet slow others { type ipv4_addr; }',
    'add chain inet slow rules',
    ...Array.from({ length: 1000 }, () => 'add rule inet slow rules ip saddr 192.0.2.99 counter'),
    'add chain inet slow jumps',
    ...Array.from({ length: 1000 }, () => 'add rule inet slow jumps jump rules'),
    'add chain inet slow out { type filter hook output priority 0; }',
    'add rule inet slow out udp dport 9 counter name began',
    ...Array.from({ length: 50 }, () => 'add rule inet slow out udp dport 9 jump jumps'),
    'add rule inet slow out udp dport 9 counter name ended',
    '',
  ].join('\n');

  const ways: Readonly<Record<string, () => Promise<void>>> = {
    nft: () => nft.awaitGracePeriod(signal),
    async netlink() {
      const writer = openElementWriter({ openSocket: openNetlinkIn(kernel.namespacePath) });
      const hasWaited = await writer.awaitGracePeriod();
      writer.close();
      assert.ok(hasWaited);
    },
  };
  for (const [way, wait] of Object.entries(ways)) {
    for (const exists of [false, true]) {
      it(`waits with ${way} until packets in flight are done${exists ? ', also where a table has the name of the one that it checks' : ''} (K27)`, async () => {
        const countOf = async (name: string): Promise<number> =>
          Number(/packets (\d+)/.exec(await kernel.sh(`nft list counter inet slow ${name}`))![1]);
        await kernel.sh('nft flush ruleset; ip link set lo up');
        await nft.run(slow, { check: false, signal });
        if (exists) await nft.run(`add table ip ${passingTable}\n`, { check: false, signal });
        for (let turn = 1, met = 0; met < 3; turn++) {
          assert.ok(turn < 100, 'no packet was on its way when it was looked for');
          const sending = kernel.sh(
            `${python} -c 'import socket; socket.socket(type=2).sendto(b"x", ("127.0.0.1", 9))'`,
          );
          while ((await countOf('began')) < turn);
          // A transaction that deletes nothing: for it, the kernel waits nowhere.
          await nft.run(`add element inet slow others { 192.0.2.${turn} }\n`, { check: false, signal });
          const isOnItsWay = (await countOf('ended')) < turn;
          await wait();
          assert.equal(await countOf('ended'), turn);
          if (isOnItsWay) met++;
          await sending;
        }
      });
    }
  }

  it('leaves nothing of the wait, and nft monitor does not see it', async () => {
    await kernel.sh('nft flush ruleset');
    const told: Transaction[] = [];
    const monitor = startNftMonitor((transaction) => told.push(transaction), { program: kernel.nft });
    try {
      await monitor.listening;
      for (const wait of Object.values(ways)) await wait();
      assert.equal(await kernel.sh('nft list ruleset'), '');
      await nft.run('add table ip last\n', { check: false, signal });
      while (told.length === 0) await setImmediate();
      assert.deepEqual(told, ['others']);
    } finally {
      monitor.close();
    }
  });
});

describe('nft that does not do its work', function () {
  this.timeout(600_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function script(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  }

  const cases: readonly [string, string, NftErrorCode, RegExp][] = [
    [
      'is denied',
      'echo "Operation not permitted (you must be root)" >&2; exit 1',
      'denied',
      /^Operation not permitted/,
    ],
    [
      'finds no nf_tables',
      'echo "netlink: Error: cache initialization failed: Protocol not supported" >&2; exit 1',
      'failed',
      /Protocol not supported/,
    ],
    ['dies of what it reads', 'echo Error: half a line >&2; kill -SEGV $$', 'crashed', /SIGSEGV: .*at least as new/],
    ['is killed', 'kill -KILL $$', 'crashed', /^nft was ended by SIGKILL$/],
    ['hangs', 'exec sleep 60', 'timeout', /timed out/],
  ];
  for (const [what, text, code, message] of cases) {
    it(`rejects with ${code} when it ${what}`, async () => {
      const nft = createNft({
        program: await script(code + what.length, text),
        timeoutMs: code === 'timeout' ? 50 : 10_000,
      });
      for (const promise of [nft.list('ip', signal), nft.run('add table inet x\n', { check: false, signal })]) {
        const error = await failureOf(promise);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.ok(error.cause);
      }
    });
  }

  it('rejects with missing when there is none', async () => {
    const error = await failureOf(createNft({ program: join(folder, 'none') }).list('ip', signal));
    assert.equal(error.code, 'missing');
  });

  it('rejects with aborted when the caller gives up', async () => {
    const stop = new AbortController();
    const nft = createNft({ program: await script('slow', 'exec sleep 60') });
    const run = failureOf(nft.run('', { check: false, signal: stop.signal }));
    stop.abort();
    assert.equal((await run).code, 'aborted');
  });

  it('takes no other failure for a missing table', async () => {
    const nft = createNft({ program: await script('other', 'echo "Error: No such file or directory" >&2; exit 1') });
    assert.equal((await failureOf(nft.list('ip', signal))).code, 'failed');
    const busy = 'echo "Error: Device or resource busy" >&2; echo "list table ip postern" >&2; exit 1';
    assert.equal(
      (await failureOf(createNft({ program: await script('busy', busy) }).list('ip', signal))).code,
      'failed',
    );
  });

  it('speaks English whatever the locale', async () => {
    const nft = createNft({ program: await script('locale', 'echo "$LC_ALL"') });
    assert.equal(await nft.list('ip', signal), 'C\n');
  });
});
