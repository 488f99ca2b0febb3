import { close, readSync, write, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { promisify } from 'node:util';
import type koffi from 'koffi';

/** A socket to nf_tables in the kernel, in the network namespace of this process. */
export interface NetlinkSocket {
  /** Resolves when the kernel has processed the messages; its answers wait then. Rejects if the kernel has read none of them. */
  send(messages: Uint8Array): Promise<void>;
  /** Sends a question, and returns when its answer waits. Only for questions that take no lock of nf_tables. */
  ask(question: Uint8Array): void;
  /** The next datagram of answers that waits, or `undefined`. Throws if the kernel had no room for an answer. */
  receive(): Buffer | undefined;
  close(): void;
}

export type OpenNetlinkSocket = () => Promise<NetlinkSocket>;

/** sys/socket.h and linux/netlink.h; the values are the same on all architectures of the image. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;

/** Bytes. The answer to a request that failed holds the request. */
const longestDatagram = 1 << 17;

const writeAsync = promisify(write);

/**
 * Node can make no netlink socket, so koffi calls socket(2). Everything else works with the file descriptor: write(2) sends to the kernel, and read(2)
 * reads one datagram. The write runs in a thread of Node's pool: it waits there while a transaction of another program holds the lock of nf_tables. No
 * time limit ends it, because the kernel could apply the transaction afterwards.
 */
export const openNetlinkSocket: OpenNetlinkSocket = async () => makeNetlinkSocket(await import('koffi'));

/** The same at once: the socket is in the network namespace in which this thread is now. */
export function makeNetlinkSocket({ load }: Pick<typeof koffi, 'load'>): NetlinkSocket {
  if (endianness() !== 'LE') throw new Error('this machine is big-endian');
  // `null`: the C library that this process has loaded.
  const socket = load(null).func('socket', 'int', ['int', 'int', 'int']) as (...numbers: number[]) => number;
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) throw new Error('the agent could not open a netlink socket: socket(2) failed for NETLINK_NETFILTER');
  const buffer = Buffer.alloc(longestDatagram);
  return {
    async send(messages) {
      await writeAsync(fd, messages);
    },
    ask: (question) => void writeSync(fd, question),
    receive() {
      const length = readWaiting(fd, buffer);
      return length === undefined ? undefined : Buffer.from(buffer.subarray(0, length));
    },
    // The kernel waits for packets in flight when a socket closes (K27), so this runs in the pool too.
    close: () => close(fd, () => {}),
  };
}

/** The length of the next datagram; `undefined` if none waits. */
function readWaiting(fd: number, buffer: Uint8Array): number | undefined {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
