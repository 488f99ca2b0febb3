import { judgeAnswers, readAnswers, type Answer, type BatchOutcome } from '../nftables/batch-answer.ts';
import { encodeElementBatch, encodeGracePeriod, type ElementBatch } from '../nftables/element-batch.ts';
import type { Operation } from '../nftables/ruleset.ts';
import type { NetlinkSocket, OpenNetlinkSocket } from './netlink-socket.ts';
import { NftError } from './nft-error.ts';

/** Writes elements of sets and maps without nft, and waits for packets in flight. */
export interface ElementWriter {
  /**
   * Runs the operations as one transaction. Resolves with false if nft must run them: then nothing has changed. Rejects with an NftError if the kernel
   * applied all of it or nothing, and which of them is unknown.
   */
  write(operations: readonly Operation[]): Promise<boolean>;
  /** Resolves with true when every packet is done that began before the call (K27), and with false if nft must wait for them. */
  awaitGracePeriod(): Promise<boolean>;
  close(): void;
}

/** Leaves everything to nft. */
export const noElementWriter: ElementWriter = {
  write: async () => false,
  awaitGracePeriod: async () => false,
  close: () => {},
};

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
 * Sends changes of elements and deletions to the kernel by netlink: an nft reads all set headers of the node for each (K19). A transaction
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
  /** Returns `undefined` if nft must do it: then nothing has changed. */
  const send = async (encode: (begin: number) => ElementBatch | undefined): Promise<BatchOutcome | undefined> => {
    if (isClosed || performance.now() < pausedUntil) return undefined;
    const batch = encode(sequence);
    if (!batch) return undefined;
    sequence = sequence > lastSequence ? 1 : sequence + batch.requests + 2;
    const socket = await open();
    if (!socket) return undefined;
    try {
      await socket.send(batch.bytes);
    } catch (error) {
      pause(error);
      return undefined;
    }
    const outcome = judge(batch, socket);
    if (outcome === 'unknown') pause(noAnswer());
    else hasWorked = true;
    return outcome;
  };
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
  // Shows at the start whether netlink works.
  void open();
  return {
    write: (operations) =>
      inTurn(async () => {
        const outcome = await send((begin) => encodeElementBatch(operations, begin));
        if (outcome === 'unknown') throw noAnswer();
        return outcome === 'applied';
      }),
    // The kernel commits nothing here. So after a missing answer, nft can simply wait instead.
    awaitGracePeriod: () => inTurn(async () => (await send(encodeGracePeriod)) === 'applied'),
    close() {
      isClosed = true;
      void last.then(async () => (await opening)?.close());
    },
  };
}

function noAnswer(): NftError {
  return new NftError(
    'timeout',
    'the kernel did not confirm a netlink batch: it is unknown whether the kernel applied it',
    { stderr: '', script: '' },
  );
}

/** The kernel has answered before it returns from the write, so all answers wait. */
function judge(batch: ElementBatch, socket: NetlinkSocket): BatchOutcome {
  const answers: Answer[] = [];
  let isWhole = true;
  for (;;) {
    let datagram: Uint8Array | undefined;
    try {
      datagram = socket.receive();
    } catch (error) {
      // The kernel says once that it had no room for an answer. The answers that had room still wait.
      if (!isWhole || (error as NodeJS.ErrnoException).code !== 'ENOBUFS') return 'unknown';
      isWhole = false;
      continue;
    }
    if (!datagram) return judgeAnswers(batch, answers, isWhole);
    const read = readAnswers(datagram);
    if (!read) return 'unknown';
    answers.push(...read);
  }
}
