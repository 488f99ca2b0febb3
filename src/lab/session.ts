import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { LabError } from './error.ts';
import { Lab } from './lab.ts';
import type { LabOptions } from './lab.ts';
import { defaultLabName, LabState } from './state.ts';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Session {
  readonly lab: Lab;
  /** Resolves when someone wants the lab to end: a signal, or the parent of a detached start that gave up. */
  readonly ended: Promise<void>;
  /** What a detached start waits for: from here on nobody listens. False if nobody did. */
  readonly announce: (text: string) => boolean;
}

/**
 * Brings a lab up for the time of `use`, with a log on stderr, or once it is detached in the lab's own folder; it is down again when this resolves or rejects. A signal ends it early: true if that was so.
 * A second one ends the process at once, and leaves the rest to `lab down`.
 */
export async function runSession(options: LabOptions, use: (session: Session) => Promise<void>): Promise<boolean> {
  const ending = Promise.withResolvers<void>();
  let wasEnded = false;
  const end = (): void => {
    wasEnded = true;
    ending.resolve();
  };
  for (const signal of endingSignals) process.once(signal, end);
  process.once('disconnect', end);
  let isDetached = false;
  const announce = (text: string): boolean => {
    process.off('disconnect', end);
    if (!process.connected) return false;
    isDetached = true;
    process.send!(text, () => process.disconnect());
    return true;
  };
  const { logFile } = new LabState(options.name ?? defaultLabName, options.stateRoot);
  const log = (message: string): void => {
    if (isDetached) appendFileSync(logFile, `${message}\n`);
    else process.stderr.write(`${message}\n`);
  };
  const lab = await Lab.up({ log, ...options });
  try {
    const used = use({ lab, ended: ending.promise, announce });
    // Once the lab is being taken down, whatever fails in it is no news.
    used.catch(() => {});
    await Promise.race([used, ending.promise]);
  } finally {
    await lab.down();
  }
  return wasEnded;
}

/** The command line `args` in a session of its own, until it announces something: that is returned. Its stderr on failure. */
export async function startDetached(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { detached: true, stdio: ['inherit', 'ignore', 'pipe', 'ipc'] });
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
  const announced = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve(String(message)));
    child.once('close', () => reject(new LabError('state', said.trim().replace(/^postern: /, '') || 'the lab ended')));
  });
  child.stderr!.destroy();
  child.unref();
  return announced;
}
