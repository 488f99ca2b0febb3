import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';

/** The process that holds the lock. */
export interface Holder {
  readonly version: string;
  readonly pid: number;
}

export interface NodeLockObserver {
  /** Another process holds the lock; `holder` is missing until it identifies itself. Called repeatedly. */
  waiting(holder?: Holder): void;
  /** The holder did not identify itself in time: it is a stuck agent, or not an agent. The caller continues without the lock. */
  ignored(): void;
}

export interface NodeLockOptions {
  readonly address?: string;
  /** An agent answers at once, unless it is compiling a large cluster, which takes seconds. */
  readonly answerWithinMs?: number;
}

/** Reports the lock in the log and in the check `lock`. */
export function nodeLockObserver(ready: Checks, logger: Logger): NodeLockObserver {
  return {
    waiting(holder) {
      const who = holder
        ? `agent ${holder.version}, process ${holder.pid},`
        : 'a process that does not identify itself';
      const reason = `${who} holds the lock of this node; waiting until it ends`;
      if (ready.report('lock', reason)) logger.warn({ holder }, reason);
    },
    ignored() {
      logger.error(
        'the process that holds the lock of this node does not identify itself; continuing without the lock',
      );
    },
  };
}

/** An abstract socket (unix(7)). It exists in the network namespace, as the rules do, and the kernel removes it when its process ends. */
const lockAddress = '\0postern/agent';
/** Milliseconds between two tries to take the lock. After a holder ends, no agent writes for at most so long. */
const retryMs = 200;
/** Characters. The holder's answer is a version and a process id. */
const longestAnswer = 1000;

/**
 * Takes the node lock, so that only one agent writes the node's rules. Two agents can run for a while during an upgrade, or after a forced pod deletion.
 * Resolves when this agent may write, with a function that releases the lock. The end of the process releases it too. Rejects if the signal aborts
 * first.
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
    if (end !== 'unidentified') unansweredSince = performance.now();
    // Whatever the holder does, this loop must not spin.
    await delay(retryMs, undefined, { signal });
  }
}

/** Milliseconds. A user waits for the command that asks (`postern uninstall`). */
const findMs = 2000;

/** Finds the holder of the lock in this network namespace; `undefined` if the lock is free or its holder does not identify itself. */
export async function findHolder(): Promise<Holder | undefined> {
  let found: Holder | undefined;
  const stop = new AbortController();
  const observer = {
    waiting(holder?: Holder): void {
      found = holder;
      stop.abort();
    },
  };
  await followHolder(lockAddress, observer, findMs, stop.signal);
  return found;
}

/** Takes the lock if it is free. Resolves with a function that releases it, else with `undefined`. */
export async function takeNodeLock(self: Holder, address = lockAddress): Promise<(() => void) | undefined> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    // The connection stays open, so that its end tells a waiting agent that this process has ended. It must not keep this process alive.
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

/** Resolves when the holder has ended (`known`), has not identified itself in time (`unidentified`), or may not be contacted (`forbidden`). */
async function followHolder(
  address: string,
  observer: Pick<NodeLockObserver, 'waiting'>,
  answerWithinMs: number,
  signal: AbortSignal,
): Promise<'known' | 'unidentified' | 'forbidden'> {
  const socket = connect(address);
  let isForbidden = false;
  const close = (): void => void socket.destroy();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    // SELinux forbids a container to connect to a process of another container. That process may well be an agent.
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
  return holder ? 'known' : isForbidden ? 'forbidden' : 'unidentified';
}

/** The answer reaches logs, `/readyz` and terminals, and any process in this network namespace can give it. Another answer identifies no agent. */
const versionForm = /^[0-9A-Za-z.+-]{1,64}$/;

function readHolder(line: string): Holder | undefined {
  try {
    const { version, pid } = JSON.parse(line) as Partial<Holder>;
    const isHolder = typeof version === 'string' && versionForm.test(version) && Number.isSafeInteger(pid) && pid! > 0;
    return isHolder ? { version, pid: pid! } : undefined;
  } catch {
    return undefined;
  }
}
