import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import type Koffi from 'koffi';
import type { Exec } from './exec.ts';
import { makeNetlinkSocket, type NetlinkSocket, type OpenNetlinkSocket } from './netlink-socket.ts';

/** The command line that runs a program somewhere else. */
export type Enter = (file: string, args: readonly string[]) => [file: string, args: readonly string[]];

/** The network namespace of a pod. While it is open, the kernel keeps it. */
export interface NetworkNamespace {
  readonly enter: Enter;
  /** Rejects without CAP_SYS_ADMIN. */
  readonly openSocket: OpenNetlinkSocket;
  /** Whether the path still leads to this namespace. */
  readonly isCurrent: () => boolean;
  close(): void;
}

/** CLONE_NEWNET of sched.h. */
const CLONE_NEWNET = 0x4000_0000;

/**
 * Opens the namespace that the path leads to now. The runtime may delete the path, and another pod may get it: the file descriptor stays what it is. Throws, with a
 * text for operators, if the path is none of a pod's namespace.
 */
export function openNetworkNamespace(path: string): NetworkNamespace {
  const fd = openNamespaceFile(path);
  const self = fstatSync(fd, { bigint: true });
  const isSame = (other: { readonly dev: bigint; readonly ino: bigint }): boolean =>
    other.dev === self.dev && other.ino === self.ino;
  const own = statSync('/proc/self/ns/net', { bigint: true });
  if (own.dev !== self.dev || isSame(own)) {
    closeSync(fd);
    // A bind mount that did not reach this mount namespace leaves an empty file.
    if (own.dev !== self.dev)
      throw new Error(`${path} is no network namespace here: mount its directory with HostToContainer propagation`);
    throw new Error(`${path} is the network namespace of the node`);
  }
  let isClosed = false;
  /** The number of a closed descriptor may be that of another pod's namespace by now. */
  const open = (): number => {
    if (isClosed) throw new Error(`the namespace ${path} has been closed`);
    return fd;
  };
  return {
    // The process's own number: an agent in a container sees its processes in /proc by the same numbers.
    enter: (file, args) => ['nsenter', [`--net=/proc/${process.pid}/fd/${open()}`, '--', file, ...args]],
    openSocket: async () => makeSocketWithin(await import('koffi'), open()),
    isCurrent() {
      try {
        return isSame(statSync(path, { bigint: true }));
      } catch {
        return false;
      }
    },
    close() {
      isClosed = true;
      closeSync(fd);
    },
  };
}

/** Runs programs in the namespace. */
export function execWithin(exec: Exec, { enter }: Pick<NetworkNamespace, 'enter'>): Exec {
  return (file, args, options) => exec(...enter(file, args), options);
}

function openNamespaceFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw error;
    throw new Error(`${path} does not exist: mount its directory from the node (${message})`, { cause: error });
  }
}

/** Makes a socket while this thread is in the namespace. Nothing else runs meanwhile. The socket stays in the namespace in which it was made. */
function makeSocketWithin(koffi: Pick<typeof Koffi, 'load'>, fd: number): NetlinkSocket {
  // `null`: the C library that this process has loaded.
  const setns = koffi.load(null).func('setns', 'int', ['int', 'int']) as (fd: number, type: number) => number;
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    if (setns(fd, CLONE_NEWNET) !== 0) {
      throw new Error("the agent may not enter a pod's network namespace: it needs CAP_SYS_ADMIN");
    }
    try {
      return makeNetlinkSocket(koffi);
    } finally {
      // If this thread cannot leave the pod's namespace, end the process: it would write the rules of the node there.
      if (setns(home, CLONE_NEWNET) !== 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}
