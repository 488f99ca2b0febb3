import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Who holds the lock. */
export interface Holder {
  readonly version: string;
  readonly pid: number;
}

export interface NodeLockObserver {
  /** Somebody else has it; `holder` is missing as long as he has not said who he is. Told again and again. */
  waiting(holder?: Holder): void;
  /** Who has it does not say who he is: a stuck agent, or no agent. We go on without the lock. */
  ignored(): void;
}

export interface NodeLockOptions {
  readonly address?: string;
  /** An agent answers at once, unless it is compiling a large cluster, which takes seconds. */
  readonly answerWithinMs?: number;
}

/** Tells of the lock in the log and in the check `lock`. */
export function nodeLockObserver(ready: Checks, logger: Logger): NodeLockObserver {
  return {
    waiting(holder) {
      const who = holder ? `agent ${holder.version}, process ${holder.pid},` : 'a process that does not say who it is';
      const reason = `${who} holds the lock of this node; waiting for its end`;
      if (ready.report('lock', reason)) logger.warn({ holder }, reason);
    },
    ignored() {
      logger.error('a process holds the lock of this node without saying who it is; going on without the lock');
    },
  };
}

/** Abstract (unix(7)): it lives in the network namespace, as the rules do, and ends with its process, however that ends. */
const lockAddress = '\0postern/agent';
const retryMs = 200;
const longestAnswer = 1000;

/**
 * One agent at a time writes a node's rules, also where two run for a while: an upgrade, or a pod that was deleted by force. Resolves
 * when this one may, with a function that gives the lock up again, which else happens with the end of the process. Rejects when the
 * signal aborts before.
 */
export async function holdNodeLock(
  self: Holder,
  observer: NodeLockObserver,
  signal: AbortSignal,
  { address = lockAddress, answerWithinMs = 60_000 }: NodeLockOptions = {},
): Promise<() => void> {
  let unansweredSince = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const release = await takeNodeLock(self, address);
    if (release) return release;
    const remaining = answerWithinMs - (performance.now() - unansweredSince);
    if (remaining <= 0) {
      observer.ignored();
      return () => {};
    }
    observer.waiting();
    const end = await followHolder(address, observer, remaining, signal);
    if (end !== 'mute') unansweredSince = performance.now();
    // However the holder behaves, it must not make us spin.
    await delay(retryMs, undefined, { signal });
  }
}

/** Who holds the lock of this network namespace; `undefined` if nobody does, or nobody who says who he is. */
export async function findHolder(answerWithinMs = 2000): Promise<Holder | undefined> {
  let found: Holder | undefined;
  const stop = new AbortController();
  const observer = {
    waiting(holder?: Holder): void {
      found = holder;
      stop.abort();
    },
  };
  await followHolder(lockAddress, observer, answerWithinMs, stop.signal);
  return found;
}

/** Takes the lock if nobody else has it: a function that gives it up again, or `undefined`. */
export async function takeNodeLock(self: Holder, address = lockAddress): Promise<(() => void) | undefined> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    // Held open, for its end tells those who wait that we have ended. They must not keep us alive.
    waiting.add(socket.unref());
    socket.on('error', () => socket.destroy()).on('close', () => waiting.delete(socket));
    socket.resume().write(`${JSON.stringify(self)}\n`);
  });
  server.unref().listen(address);
  try {
    await once(server, 'listening');
    return () => {
      server.close();
      for (const socket of waiting) socket.destroy();
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

/** Resolves when the holder has ended, or has not said in time who he is (`mute`), or cannot be asked (`forbidden`). */
async function followHolder(
  address: string,
  observer: Pick<NodeLockObserver, 'waiting'>,
  answerWithinMs: number,
  signal: AbortSignal,
): Promise<'known' | 'mute' | 'forbidden'> {
  const socket = connect(address);
  let isForbidden = false;
  const close = (): void => void socket.destroy();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    // SELinux lets no container ask a process of another, which may well be an agent.
    isForbidden = code === 'EACCES' || code === 'EPERM';
    close();
  });
  const deadline = setTimeout(close, answerWithinMs);
  signal.addEventListener('abort', close, { once: true });
  let holder: Holder | undefined;
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    if (holder || text.includes('\n')) return;
    text = (text + chunk).slice(0, longestAnswer);
    holder = text.includes('\n') ? readHolder(text) : undefined;
    if (!holder) return;
    clearTimeout(deadline);
    observer.waiting(holder);
  });
  await closed;
  clearTimeout(deadline);
  signal.removeEventListener('abort', close);
  return holder ? 'known' : isForbidden ? 'forbidden' : 'mute';
}

function readHolder(line: string): Holder | undefined {
  try {
    const { version, pid } = JSON.parse(line) as Partial<Holder>;
    return typeof version === 'string' && typeof pid === 'number' ? { version, pid } : undefined;
  } catch {
    return undefined;
  }
}
