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
  /** Somebody else has it, and has said who he is. */
  waiting(holder: Holder): void;
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
      ready.report(
        'lock',
        `agent ${holder.version}, process ${holder.pid}, enforces on this node; waiting for its end`,
      );
      logger.warn({ holder }, 'another agent enforces on this node; waiting for its end');
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
    const release = await take(address, self);
    if (release) return release;
    const remaining = answerWithinMs - (performance.now() - unansweredSince);
    if (remaining <= 0) {
      observer.ignored();
      return () => {};
    }
    if (await followHolder(address, observer, remaining, signal)) unansweredSince = performance.now();
    else await delay(retryMs, undefined, { signal });
  }
}

/** Who holds the lock of this network namespace; `undefined` if nobody does, or nobody who says who he is. */
export async function findHolder(answerWithinMs = 2000): Promise<Holder | undefined> {
  let found: Holder | undefined;
  const stop = new AbortController();
  const observer = {
    waiting(holder: Holder): void {
      found = holder;
      stop.abort();
    },
  };
  await followHolder(lockAddress, observer, answerWithinMs, stop.signal);
  return found;
}

/** `undefined` if somebody else has it. */
async function take(address: string, self: Holder): Promise<(() => void) | undefined> {
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

/** Resolves when the holder has ended, or has not said in time who he is. True if he had said it. */
async function followHolder(
  address: string,
  observer: Pick<NodeLockObserver, 'waiting'>,
  answerWithinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const socket = connect(address);
  const close = (): void => void socket.destroy();
  const closed = new Promise((resolve) => socket.on('error', close).on('close', resolve));
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
  return holder !== undefined;
}

function readHolder(line: string): Holder | undefined {
  try {
    const { version, pid } = JSON.parse(line) as Partial<Holder>;
    return typeof version === 'string' && typeof pid === 'number' ? { version, pid } : undefined;
  } catch {
    return undefined;
  }
}
