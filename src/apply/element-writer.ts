import { judgeAnswers, readAnswers, type Answer } from '../nftables/batch-answer.ts';
import { encodeElementBatch, type ElementBatch } from '../nftables/element-batch.ts';
import type { Operation } from '../nftables/ruleset.ts';
import type { NetlinkSocket, OpenNetlinkSocket } from './netlink-socket.ts';
import { NftError } from './nft-error.ts';

/** Writes elements of sets and maps without nft. */
export interface ElementWriter {
  /**
   * Runs the operations as one transaction. Resolves with false if nft must run them: then nothing has changed. Rejects with an NftError if the kernel
   * applied all of it or nothing, and which of them is unknown.
   */
  write(operations: readonly Operation[]): Promise<boolean>;
  close(): void;
}

/** Leaves everything to nft. */
export const noElementWriter: ElementWriter = { write: async () => false, close: () => {} };

export interface ElementWriterOptions {
  readonly openSocket: OpenNetlinkSocket;
  /** For how long everything is left to nft after a failure, in milliseconds. */
  readonly pauseMs?: number;
  /** Called at the first failure since the writer last worked. */
  readonly paused?: (cause: unknown, pauseMs: number) => void;
}

/** The kernel reads a sequence number of 32 bits. */
const lastSequence = 2 ** 31;

/**
 * Sends transactions that only add and delete elements to the kernel by netlink: an nft reads all set headers of the node for each (K19). A transaction
 * that the kernel refuses is left to nft, which says why. After any other failure the writer pauses, and opens another socket.
 */
export function openElementWriter({
  openSocket,
  pauseMs = 60_000,
  paused = () => {},
}: ElementWriterOptions): ElementWriter {
  let isClosed = false;
  let hasWorked = true;
  let pausedUntil = -Infinity;
  let sequence = 1;
  let last: Promise<unknown> = Promise.resolve();
  /** Settles with `undefined` if no socket can be opened. */
  let opening: Promise<NetlinkSocket | undefined> | undefined;

  const pause = (cause: unknown): void => {
    void opening?.then((socket) => socket?.close());
    opening = undefined;
    pausedUntil = performance.now() + pauseMs;
    if (hasWorked) paused(cause, pauseMs);
    hasWorked = false;
  };
  const open = (): Promise<NetlinkSocket | undefined> => {
    opening ??= openSocket().catch((error: unknown) => {
      pause(error);
      return undefined;
    });
    return opening;
  };
  const write = async (operations: readonly Operation[]): Promise<boolean> => {
    if (isClosed || performance.now() < pausedUntil) return false;
    const batch = encodeElementBatch(operations, sequence);
    if (!batch) return false;
    sequence = sequence > lastSequence ? 1 : sequence + batch.requests + 2;
    const socket = await open();
    if (!socket) return false;
    try {
      await socket.send(batch.bytes);
    } catch (error) {
      pause(error);
      return false;
    }
    const outcome = judge(batch, socket);
    if (outcome === 'unknown') {
      const error = new NftError('timeout', 'the kernel did not answer a change of elements', {
        stderr: '',
        script: '',
      });
      pause(error);
      throw error;
    }
    hasWorked = true;
    return outcome === 'applied';
  };
  // Shows at the start whether netlink works.
  void open();
  return {
    write(operations) {
      const turn = last.then(() => write(operations));
      last = turn.catch(() => {});
      return turn;
    },
    close() {
      isClosed = true;
      void last.then(async () => (await opening)?.close());
    },
  };
}

/** The kernel has answered before it returns from the write, so all answers wait. */
function judge(batch: ElementBatch, socket: NetlinkSocket): ReturnType<typeof judgeAnswers> {
  const answers: Answer[] = [];
  try {
    for (let datagram = socket.receive(); datagram; datagram = socket.receive()) {
      const read = readAnswers(datagram);
      if (!read) return 'unknown';
      answers.push(...read);
    }
  } catch {
    return 'unknown';
  }
  return judgeAnswers(batch, answers);
}
