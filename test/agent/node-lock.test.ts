import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, it } from 'mocha';
import { holdNodeLock, type Holder } from '../../src/agent/node-lock.ts';

const source = fileURLToPath(new URL('../../src/agent/node-lock.ts', import.meta.url));
let count = 0;

describe('the lock of a node', function () {
  this.timeout(180_000);
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  const newAddress = (): string => `\0postern-test/${process.pid}/${count++}`;

  /** Starts to wait; `told` is what the observer hears. */
  function contend(address: string, answerWithinMs = 10_000) {
    const stop = new AbortController();
    const told: (Holder | 'ignored')[] = [];
    let waits = 0;
    let hear = (): void => {};
    const heard = new Promise<void>((resolve) => (hear = resolve));
    const observer = {
      waiting: (holder?: Holder) => {
        waits++;
        if (!holder) return;
        told.push(holder);
        hear();
      },
      ignored: () => void told.push('ignored'),
    };
    const self = { version: `v${count}`, pid: process.pid };
    const held = holdNodeLock(self, observer, stop.signal, { address, answerWithinMs });
    held.then((release) => ends.push(release)).catch(() => {});
    ends.push(() => stop.abort());
    return { held, told, heard, stop, self, waits: () => waits };
  }

  it('is one agent’s at a time; who waits knows for whom, and gets it when that one gives it up', async () => {
    const address = newAddress();
    const first = contend(address);
    const release = await first.held;
    const second = contend(address);
    await second.heard;
    assert.deepEqual(second.told, [first.self]);
    let isHeld = false;
    void second.held.then(() => (isHeld = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isHeld, false);
    release();
    await second.held;
  });

  it('goes to one of those who wait, and the others wait for that one', async () => {
    const address = newAddress();
    const release = await contend(address).held;
    const waiting = [contend(address), contend(address)];
    await Promise.all(waiting.map(({ heard }) => heard));
    release();
    const winner = await Promise.race(waiting.map(async ({ held }, index) => held.then(() => index)));
    const loser = waiting[1 - winner]!;
    (await waiting[winner]!.held)();
    await loser.held;
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`ends with its process (${signal})`, async () => {
      const address = newAddress();
      const holder = await startHolder(address);
      ends.push(() => void holder.kill('SIGKILL'));
      const second = contend(address);
      await second.heard;
      holder.kill(signal);
      await second.held;
      assert.equal(second.told.length, 1);
    });
  }

  it('is not waited for where its holder does not say who he is, at once or ever', async () => {
    const forged = [
      { version: '1\n[+] rules', pid: 7 },
      { version: '1\u001b[2J', pid: 7 },
      { version: '1'.repeat(65), pid: 7 },
      { version: '', pid: 7 },
      { version: '1', pid: -7 },
      { version: '1', pid: 0.5 },
    ].map((holder) => `${JSON.stringify(holder)}\n`);
    for (const greet of [undefined, 'nonsense\n', '{"version":1}\n', ...forged]) {
      const address = newAddress();
      ends.push(await squat(address, greet));
      const { held, told } = contend(address, 300);
      await held;
      assert.deepEqual(told, ['ignored']);
    }
  });

  it('is not waited for where its holder hangs up each time', async () => {
    const address = newAddress();
    ends.push(await squat(address, 'hang up'));
    const { held, told, waits } = contend(address, 500);
    await held;
    assert.deepEqual(told, ['ignored']);
    // And it is not asked without a pause.
    assert.ok(waits() >= 1 && waits() <= 5, `${waits()} times`);
  });

  it('waiting for it ends with the signal', async () => {
    const address = newAddress();
    await contend(address).held;
    const { held, heard, stop } = contend(address);
    await heard;
    stop.abort();
    await assert.rejects(held, { name: 'AbortError' });
  });
});

async function startHolder(address: string): Promise<ChildProcess> {
  const script = `
    const { holdNodeLock } = await import(${JSON.stringify(source)});
    const self = { version: 'child', pid: process.pid };
    await holdNodeLock(self, {}, new AbortController().signal, { address: ${JSON.stringify(address)} });
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function squat(address: string, greet: string | undefined): Promise<() => void> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    if (greet === 'hang up') socket.destroy();
    else if (greet !== undefined) socket.write(greet);
  }).listen(address);
  await once(server, 'listening');
  return () => server.close();
}
