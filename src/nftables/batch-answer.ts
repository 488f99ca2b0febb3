import type { ElementBatch } from './element-batch.ts';

/** An answer of the kernel: an acknowledgement (error 0), or the number of an error. */
export interface Answer {
  readonly sequence: number;
  readonly error: number;
}

/**
 * `applied`: the kernel has committed the transaction. `refused`: it has aborted it, and nothing has changed. `unknown`: one of the two, or an answer
 * that does not belong to this batch.
 */
export type BatchOutcome = 'applied' | 'refused' | 'unknown';

const headerLength = 16;
/** NLMSG_ERROR. */
const errorType = 2;

/** Reads one datagram of answers. Returns `undefined` if it holds anything else. */
export function readAnswers(datagram: Uint8Array): Answer[] | undefined {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const answers: Answer[] = [];
  for (let start = 0; start < view.byteLength;) {
    if (view.byteLength - start < headerLength + 4) return undefined;
    const length = view.getUint32(start, true);
    const type = view.getUint16(start + 4, true);
    if (type !== errorType || length < headerLength + 4 || length > view.byteLength - start) return undefined;
    answers.push({ sequence: view.getUint32(start + 8, true), error: -view.getInt32(start + headerLength, true) || 0 });
    start += (length + 3) & ~3;
  }
  return answers;
}

/**
 * The kernel answers when it has committed or aborted the whole batch: each request with its own result, also after an abort. If the commit itself
 * fails, it first reports the error for the begin (`nfnetlink_rcv_batch`; K38). So any error means that nothing has changed.
 */
export function judgeAnswers({ begin, requests }: ElementBatch, answers: readonly Answer[]): BatchOutcome {
  const end = begin + requests + 1;
  if (answers.some(({ sequence }) => sequence < begin || sequence > end)) return 'unknown';
  if (answers.some(({ error }) => error !== 0)) return 'refused';
  const acknowledged = new Set(answers.map(({ sequence }) => sequence));
  const isComplete = Array.from({ length: requests }, (_, index) => begin + 1 + index).every((each) =>
    acknowledged.has(each),
  );
  return isComplete ? 'applied' : 'unknown';
}
