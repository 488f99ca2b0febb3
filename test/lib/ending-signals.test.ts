import { deepEqual } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';

/** Runs a program by execa for ever, as signal-exit is there only then. */
const program = `
  import { execa } from 'execa';
  import { onEndingSignal } from './src/lib/ending-signals.ts';
  onEndingSignal(['SIGINT', 'SIGTERM'], (signal) => console.log('end ' + signal), () => console.log('give up'));
  execa('sleep', ['60']);
  console.log('ready');
`;

describe('onEndingSignal', () => {
  let child: ChildProcess;
  let said: string;
  let exited: Promise<unknown[]>;
  const hears = async (text: string): Promise<void> => {
    const ended = exited.then(() => Promise.reject(new Error(`ended, having said ${said}`)));
    ended.catch(() => {});
    while (!said.includes(text)) await Promise.race([once(child.stdout!, 'data'), ended]);
  };
  beforeEach(async () => {
    said = '';
    const args = ['--input-type=module-typescript', '--eval', program];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    exited = once(child, 'close');
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await hears('ready');
  });
  afterEach(() => child.kill('SIGKILL'));

  it('is told once of the first signal, however often npm and the terminal send it', async () => {
    child.kill('SIGINT');
    await hears('end SIGINT');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    // Another turn of its loop, which shows that it lives.
    await delay(50);
    deepEqual([said, child.exitCode, child.signalCode], ['ready\nend SIGINT\n', null, null]);
  });

  it('gives up at a signal that comes later', async () => {
    child.kill('SIGTERM');
    await hears('end SIGTERM');
    const again = setInterval(() => child.kill('SIGINT'), 20);
    const outcome = await exited;
    clearInterval(again);
    deepEqual(outcome, [130, null]);
    deepEqual(said, 'ready\nend SIGTERM\ngive up\n');
  });
});
