import assert from 'node:assert/strict';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { openNftSession, type NftSession, type NftSessionOptions } from '../../src/apply/nft-session.ts';
import { createNft, type Nft } from '../../src/apply/nft.ts';
import { NftError } from '../../src/apply/nft-error.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();
const inForce = { check: false, signal };

/** Of a script, to what it does not know. */
const answer = 'read a; read b; echo "Error: syntax error, unexpected newline" >&2; echo "$b" >&2; echo "  ^" >&2';

/** Waits until it does not reject. */
async function until(look: () => void | Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await look();
    } catch {
      await new Promise(setImmediate);
    }
  }
}

describe('an nft that stays', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let folder: string;
  /** Processes started for one command each. */
  let single: string[];
  let nft: NftSession;

  before(async function () {
    kernel = await openKernel(this);
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  after(async () => {
    await kernel?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await kernel.sh('nft flush ruleset; nft add table ip postern; nft add chain ip postern c');
    nft = keep(kernel.nft);
  });
  afterEach(() => nft.close());

  function keep(
    program: string,
    { timeoutMs = 10_000, ...options }: Omit<NftSessionOptions, 'program'> = {},
  ): NftSession {
    single = [];
    const noting = (name: keyof Nft) => {
      return (...args: never[]) => {
        single.push(name);
        return (createNft({ program: kernel.nft })[name] as (...args: never[]) => never)(...args);
      };
    };
    const names = ['list', 'listTerse', 'listChain', 'listSet', 'run'] as const;
    const process = Object.fromEntries(names.map((name) => [name, noting(name)])) as unknown as Nft;
    return openNftSession(process, { program, timeoutMs, ...options });
  }

  async function script(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  }

  const rulesOf = async (chain: string): Promise<number> => {
    const json = await nft.listChain('ip', chain, signal);
    const { nftables } = JSON.parse(json!) as { nftables: readonly object[] };
    return nftables.filter((each) => 'rule' in each).length;
  };

  it('makes small changes, each a transaction, and lists chains and sets, without another process', async () => {
    await nft.run(
      'table ip postern { set s { type ipv4_addr; elements = { 10.0.0.1 }; }\nchain c { ip saddr @s drop; counter; }; }\nadd chain ip postern d\n',
      inForce,
    );
    await nft.run('delete element ip postern s { 10.0.0.1 }\nadd element ip postern s { 10.0.0.2 }\n', inForce);
    assert.equal(await rulesOf('c'), 2);
    assert.match((await nft.listSet('ip', 's', signal))!, /"elem": \["10\.0\.0\.2"\]/);
    assert.match(await kernel.sh('nft list chain ip postern d'), /chain d/);
    assert.deepEqual(single, []);
  });

  it('says the same as one that ends', async () => {
    await kernel.sh(
      'nft \'add rule ip postern c meta l4proto tcp ct state established ip protocol 2 counter accept comment "x"\'',
    );
    const process = createNft({ program: kernel.nft });
    assert.equal(await nft.listChain('ip', 'c', signal), await process.listChain('ip', 'c', signal));
    assert.deepEqual(single, []);
  });

  it('tells what is refused as one that ends does, by line; nothing of it holds', async () => {
    const text = 'add chain ip postern d\nadd rule ip postern nowhere drop\nadd chain ip postern e\n';
    const error = await nft.run(text, inForce).catch((cause: unknown) => cause);
    assert.ok(error instanceof NftError);
    assert.deepEqual([error.code, error.lines, error.script, single], ['refused', [2], text, ['run']]);
    assert.doesNotMatch(await kernel.sh('nft list table ip postern'), /chain [de]/);
    // Not even what it had made up its mind about.
    await assert.rejects(nft.run('add rule ip postern d drop\n', inForce), { code: 'refused' });
  });

  it('finds no chain where there is none', async () => {
    assert.equal(await nft.listChain('ip', 'nowhere', signal), undefined);
    assert.equal(await nft.listChain('bridge', 'c', signal), undefined);
    assert.equal(await nft.listSet('ip', 'nowhere', signal), undefined);
    assert.deepEqual(single, []);
  });

  it('answers nobody with what another has asked for, also where nft warns of what it lists', async () => {
    await kernel.sh("nft 'add chain ip postern d; add rule ip postern c ip saddr 1.2.3.4 jump { counter drop; }'");
    for (let round = 0; round < 20; round++) {
      nft = keep(kernel.nft);
      const listed = await Promise.all(['c', 'd', 'c', 'd'].map((name) => nft.listChain('ip', name, signal)));
      assert.deepEqual(
        listed.map((json) => /"chain": \{"family": "ip", "table": "postern", "name": "(\w)"/.exec(json!)?.[1]),
        ['c', 'd', 'c', 'd'],
      );
      for (const json of listed) JSON.parse(json!);
      nft.close();
    }
  });

  it('leaves to others what it would not read as it is written', async () => {
    await nft.run('add rule ip postern c accept comment "é;ü"\n', inForce);
    assert.deepEqual(single, ['run']);
    assert.match(await kernel.sh('nft list chain ip postern c'), /comment "é;ü"/);
  });

  it('minds no word about its terminal', async () => {
    nft = keep(await script('terminal', `TERM=unheard-of exec ${kernel.nft} "$@"`));
    assert.equal(await rulesOf('c'), 0);
    assert.deepEqual(single, []);
  });

  it('sees what other programs have changed since', async () => {
    assert.equal(await rulesOf('c'), 0);
    await kernel.sh('nft add rule ip postern c drop');
    assert.equal(await rulesOf('c'), 1);
    await kernel.sh("nft flush ruleset; nft 'add table ip postern; add set ip postern s { type ipv4_addr; }'");
    assert.equal(await nft.listChain('ip', 'c', signal), undefined);
    await nft.run('table ip postern { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }\n', inForce);
    await kernel.sh("nft 'delete set ip postern s; add set ip postern s { type ipv6_addr; }'");
    await assert.rejects(nft.run('add element ip postern s { 10.0.0.2 }\n', inForce), { code: 'refused' });
  });

  it('takes one command after the other, however many are asked at once', async () => {
    const chains = Array.from({ length: 30 }, (_, i) => `c${i}`);
    await Promise.all(chains.map((name) => nft.run(`add chain ip postern ${name}\n`, inForce)));
    const listed = await Promise.all(chains.map((name) => nft.listChain('ip', name, signal)));
    assert.deepEqual(
      listed.map((json) => /"name": "(c[0-9]+)"/.exec(json!)![1]),
      chains,
    );
    assert.deepEqual(single, []);
  });

  it('leaves what is long, and what is only checked, to others', async () => {
    const elements = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(', ');
    await nft.run(`table ip postern { set s { type ipv4_addr; elements = { ${elements} }; }; }\n`, inForce);
    await nft.run('add chain ip postern d\n', { check: true, signal });
    assert.deepEqual(single, ['run', 'run']);
    assert.doesNotMatch(await kernel.sh('nft list table ip postern'), /chain d/);
  });

  it('is begun anew when it has been killed, and after a thousand commands', async () => {
    const starts = join(folder, 'starts');
    nft = keep(await script('noted', `echo $$ >>${starts}; exec ${kernel.nft} "$@"`), { pauseMs: 0 });
    await rulesOf('c');
    const pids = async () => (await readFile(starts, 'utf8')).trim().split('\n').map(Number);
    process.kill((await pids())[0]!, 'SIGKILL');
    for (let i = 0; i < 1010; i++) await rulesOf('c');
    assert.equal((await pids()).length, 3);
    assert.ok(single.length <= 1);
  });

  it('leaves all to others for a while when it has been killed', async () => {
    const starts = join(folder, 'killed');
    nft = keep(await script('killed-once', `echo $$ >>${starts}; exec ${kernel.nft} "$@"`));
    await rulesOf('c');
    const [pid] = (await readFile(starts, 'utf8')).trim().split('\n').map(Number);
    process.kill(pid!, 'SIGKILL');
    await until(() => assert.throws(() => process.kill(pid!, 0)));
    for (let i = 0; i < 5; i++) await rulesOf('c');
    assert.equal(single.length, 5);
    assert.equal(await readFile(starts, 'utf8'), `${pid}\n`);
  });

  it('rejects where it dies or hangs over a command, for whether that was done is not known', async () => {
    const answers = `for i in 1 2; do ${answer}; done`;
    nft = keep(await script('dies', `${answers}; read c; kill -KILL $$`));
    await assert.rejects(nft.run('add chain ip postern d\n', inForce), { name: 'NftError', code: 'crashed' });
    nft = keep(await script('hangs', `${answers}; exec sleep 60`), { timeoutMs: 300 });
    await assert.rejects(nft.run('add chain ip postern d\n', inForce), { name: 'NftError', code: 'timeout' });
    const stop = new AbortController();
    const asked = join(folder, 'asked');
    nft = keep(await script('waits', `${answers}; read c; touch ${asked}; exec sleep 60`));
    const run = nft.run('add chain ip postern d\n', { check: false, signal: stop.signal });
    void until(async () => access(asked)).then(() => stop.abort());
    await assert.rejects(run, { name: 'NftError', code: 'aborted' });
    assert.ok(single.every((name) => name === 'run'));
  });

  const useless: readonly [string, string][] = [
    ['is not there', ''],
    ['ends at once', 'exit 1'],
    ['prompts', 'printf "nft> "; exec nft "$@"'],
    ['says what is wrong elsewhere', 'exec nft "$@" 2>&1'],
    ['warns of something', `for i in 1 2 3; do echo "Warning: old" >&2; ${answer}; done; sleep 9`],
  ];
  for (const [what, text] of useless) {
    it(`is not used where it ${what}`, async () => {
      let pauses = 0;
      nft = keep(text === '' ? join(folder, 'none') : await script(`useless-${text.length}`, text), {
        timeoutMs: 1000,
        paused: () => pauses++,
      });
      await nft.run('add chain ip postern d\n', inForce);
      assert.equal(await rulesOf('d'), 0);
      assert.deepEqual(single, ['run', 'listChain']);
      assert.equal(pauses, 1);
    });
  }

  it('is told of once as long as none is of use', async () => {
    const starts = join(folder, 'useless');
    let pauses = 0;
    nft = keep(await script('ends-at-once', `echo >>${starts}; exit 1`), { pauseMs: 20, paused: () => pauses++ });
    await until(async () => {
      await rulesOf('c');
      assert.ok((await readFile(starts, 'utf8')).length > 2);
    });
    assert.equal(pauses, 1);
  });

  it('ends with who asks it, and then does nothing', async () => {
    const pid = join(folder, 'pid');
    nft = keep(await script('ends', `echo $$ >${pid}; exec ${kernel.nft} "$@"`));
    await rulesOf('c');
    nft.close();
    const ended = Number(await readFile(pid, 'utf8'));
    await until(() => assert.throws(() => process.kill(ended, 0)));
    assert.equal(await rulesOf('c'), 0);
    assert.deepEqual(single, ['listChain']);
  });
});
