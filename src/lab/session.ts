import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { onEndingSignal, signalExitCode } from '../lib/ending-signals.ts';
import { Lab } from './lab.ts';
import type { LabOptions } from './lab.ts';
import { defaultLabName, LabState } from './state.ts';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Session {
  readonly lab: Lab;
  /** Aborted when someone wants the lab to end: a signal, or the parent of a detached start that is gone. What is seen of the lab from then on is no news. */
  readonly ending: AbortSignal;
  /** What a detached start waits for: from here on nobody listens. False if nobody did. */
  readonly announce: (text: string) => boolean;
}

/**
 * Brings a lab up for the time of `use`, with a log on stderr, or once it is detached in the lab's own folder; it is down again when this resolves or rejects. A signal ends it early: the
 * exit code for that is returned. A second one ends the process at once, and leaves the rest to `lab down`.
 */
export async function runSession(
  options: LabOptions,
  use: (session: Session) => Promise<void>,
): Promise<number | undefined> {
  const state = new LabState(options.name ?? defaultLabName, options.stateRoot);
  const ending = new AbortController();
  let interruptedWith: number | undefined;
  const end = (signal: NodeJS.Signals): void => {
    interruptedWith ??= signalExitCode(signal);
    ending.abort();
  };
  const giveUp = (): void =>
    void process.stderr.write(`postern: not taken down; end it with: ${state.command('down')}\n`);
  const stopListening = onEndingSignal(endingSignals, end, giveUp);
  const loseParent = (): void => end('SIGHUP');
  process.on('disconnect', loseParent);
  let isDetached = false;
  const letGo = (): void => {
    // The channel to a parent keeps this process alive while someone listens.
    process.off('disconnect', loseParent);
    if (process.connected) process.disconnect();
  };
  const announce = (text: string): boolean => {
    if (!process.connected) return false;
    isDetached = true;
    process.off('disconnect', loseParent);
    process.send!(text, letGo);
    return true;
  };
  const log = (message: string): void => {
    if (isDetached) appendFileSync(state.logFile, `${message}\n`);
    else process.stderr.write(`${message}\n`);
  };
  try {
    const lab = await Lab.up({ log, ...options, ending: ending.signal });
    try {
      const used = use({ lab, ending: ending.signal, announce });
      // Once the lab is being taken down, whatever fails in it is no news.
      used.catch(() => {});
      await Promise.race([used, untilAborted(ending.signal)]);
    } finally {
      await lab.down();
    }
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  } finally {
    stopListening();
    if (!isDetached) letGo();
  }
  return interruptedWith;
}

/** How a start in a session of its own went: what it announced, or what it said on stderr before it ended. */
export type DetachedStart = { readonly announced: string } | { readonly exitCode: number; readonly said: string };

/** The command line `args` in a session of its own, until it announces something or ends. Signals are passed on to it meanwhile. */
export async function startDetached(args: readonly string[]): Promise<DetachedStart> {
  const child = spawn(process.execPath, args, { detached: true, stdio: ['inherit', 'ignore', 'pipe', 'ipc'] });
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of endingSignals) process.on(signal, passOn);
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
  try {
    return await new Promise<DetachedStart>((resolve, reject) => {
      child.once('message', (message) => resolve({ announced: String(message) }));
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ exitCode: code ?? signalExitCode(signal!), said }));
    });
  } finally {
    for (const signal of endingSignals) process.off(signal, passOn);
    child.stderr!.destroy();
    child.unref();
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
