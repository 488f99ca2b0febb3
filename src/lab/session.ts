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
  /** Aborted by a signal, or when the parent of a detached start exits. Ignore failures of the lab after that. */
  readonly ending: AbortSignal;
  /** Sends the text to the parent of a detached start, which then exits. Returns false without such a parent. */
  readonly announce: (text: string) => boolean;
}

/**
 * Runs a lab while `use` runs, and removes it before it resolves or rejects. Logs to stderr, after a detached start to the lab's folder.
 * A signal ends the lab early, and the function returns the exit code for it. A second signal kills the process; `lab down` then removes
 * the rest.
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
    void process.stderr.write(`postern: the lab is not removed; remove it with: ${state.command('down')}\n`);
  const stopListening = onEndingSignal(endingSignals, end, giveUp);
  const loseParent = (): void => end('SIGHUP');
  process.on('disconnect', loseParent);
  let isDetached = false;
  const letGo = (): void => {
    // The channel to the parent keeps this process alive until the parent disconnects.
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
      // Ignores failures while the lab is being removed.
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

/** Result of a detached start: the announced text, or the exit code with stderr. */
export type DetachedStart = { readonly announced: string } | { readonly exitCode: number; readonly said: string };

/** Runs the command line `args` in a session of its own until it announces a text or exits. Forwards signals meanwhile. */
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
