import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../lib/message-of.ts';
import { monitorArguments, TransactionReader, type Transaction } from '../nftables/transactions.ts';

/** A running `nft monitor`, which reports each nftables transaction of this network namespace. */
export interface NftMonitor {
  /** Resolves when nft receives all events from then on. Rejects if that takes too long, or if nft ends first. */
  readonly listening: Promise<void>;
  /** Resolves with the reason when nft has ended. */
  readonly ended: Promise<string>;
  close(): void;
}

export interface NftMonitorOptions {
  readonly program?: string;
  /** Milliseconds until nft must listen. nft reads the whole rule set first, and starts again if another program changes it meanwhile. */
  readonly startMs?: number;
}

export type StartMonitor = (onTransaction: (transaction: Transaction) => void) => NftMonitor;

/** Milliseconds between two looks whether nft listens. */
const pollMs = 20;
/** The netlink protocol NETLINK_NETFILTER and its group NFNLGRP_NFTABLES (linux/netlink.h, linux/netfilter/nfnetlink.h). */
const protocol = '12';
const groups = 1 << (7 - 1);

export function startNftMonitor(
  onTransaction: (transaction: Transaction) => void,
  { program = 'nft', startMs = 5000 }: NftMonitorOptions = {},
): NftMonitor {
  const stop = new AbortController();
  const { signal } = stop;
  const started = start(program, onTransaction, signal);
  const ended = started.then(({ end }) => end).catch(messageOf);
  const listening = started.then(async ({ pid }) => {
    const endedBefore = ended.then((reason) => {
      throw new Error(reason);
    });
    await Promise.race([endedBefore, waitUntilListening(pid, startMs, signal)]);
  });
  // A caller that does not wait must not cause an unhandled rejection.
  listening.catch(() => {});
  return { listening, ended, close: () => stop.abort() };
}

async function start(
  program: string,
  onTransaction: (transaction: Transaction) => void,
  signal: AbortSignal,
): Promise<{ pid: number; end: Promise<string> }> {
  const [near, far] = await socketPair();
  const reader = new TransactionReader();
  far.setEncoding('utf8').on('data', (text: string) => {
    if (!signal.aborted) for (const transaction of reader.read(text)) onTransaction(transaction);
  });
  far.on('error', () => far.destroy()).resume();
  // Both outputs share one stream: a warning belongs to the transaction whose generation follows it.
  const nft = spawn(program, monitorArguments, { stdio: ['ignore', near, near] });
  near.destroy();
  const kill = (): void => void nft.kill();
  const end = new Promise<string>((resolve) => {
    nft.once('error', (error) => resolve(messageOf(error)));
    nft.once('exit', (code, by) => resolve(`nft monitor was ended by ${by ?? `itself, with exit code ${code}`}`));
  });
  signal.addEventListener('abort', kill, { once: true });
  process.once('exit', kill);
  void end.then(() => {
    process.off('exit', kill);
    far.destroy();
  });
  if (nft.pid === undefined) throw new Error(await end);
  if (signal.aborted) kill();
  return { pid: nft.pid, end };
}

/**
 * Returns the two ends of one connection. Node cannot give a child one pipe for both outputs, and the order between two pipes is unknown. Any process
 * in the network namespace can connect to the abstract socket name, so the client must send a secret.
 */
async function socketPair(): Promise<[near: Socket, far: Socket]> {
  const name = `\0postern/monitor/${randomBytes(8).toString('hex')}`;
  const secret = randomBytes(16).toString('hex');
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      if (socket.read(secret.length)?.toString() === secret) accepted.resolve(socket);
      else socket.destroy();
    });
  });
  server.listen(name);
  try {
    await once(server, 'listening');
    const near = connect(name);
    await once(near, 'connect');
    near.write(secret);
    return [near, await accepted.promise];
  } finally {
    server.close();
  }
}

/** The kernel lists netlink sockets and their groups in /proc (proc_pid_net(5)). By default, the port id of nft's socket is its process id. */
async function waitUntilListening(pid: number, startMs: number, signal: AbortSignal): Promise<void> {
  for (const end = performance.now() + startMs; performance.now() < end; await delay(pollMs, undefined, { signal })) {
    const sockets = await readFile(`/proc/${pid}/net/netlink`, 'utf8').catch(() => '');
    if (isListening(sockets, pid)) return;
  }
  throw new Error(`nft monitor did not start to listen within ${startMs / 1000} s`);
}

function isListening(sockets: string, pid: number): boolean {
  return sockets.split('\n').some((line) => {
    const [, family, port, mask] = line.trim().split(/\s+/);
    return family === protocol && port === String(pid) && (Number.parseInt(mask!, 16) & groups) !== 0;
  });
}
