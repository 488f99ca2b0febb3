import type { LinkDescriptions } from './link.ts';

/** Looks up devices of the node; this may run a program. A device that is missing in the answer does not exist. */
export type DescribeLinks = (names: readonly string[], signal: AbortSignal) => Promise<LinkDescriptions>;

export interface LinkQuestionsOptions {
  readonly describeLinks: DescribeLinks;
  readonly signal: AbortSignal;
  readonly answerMs?: number;
}

/** A slow lookup must not delay the others. */
const maxInFlight = 4;
const defaultAnswerMs = 2000;

interface Batch {
  readonly names: Set<string>;
  readonly answer: Promise<LinkDescriptions>;
  readonly send: () => void;
}

/** Starts a lookup at once, up to a limit of parallel lookups. It sends further questions as one batch. */
export class LinkQuestions {
  readonly #options: LinkQuestionsOptions;
  #inFlight = 0;
  #waiting: Batch | undefined;

  constructor(options: LinkQuestionsOptions) {
    this.#options = options;
  }

  /** Rejects if the answer does not arrive in time. */
  ask(names: Iterable<string>): Promise<LinkDescriptions> {
    const batch = (this.#waiting ??= this.#open());
    for (const name of names) batch.names.add(name);
    this.#sendWaiting();
    return batch.answer;
  }

  #open(): Batch {
    const { promise: answer, resolve, reject } = Promise.withResolvers<LinkDescriptions>();
    const names = new Set<string>();
    const send = (): void => {
      this.#inFlight++;
      this.#send([...names])
        .finally(() => {
          this.#inFlight--;
          this.#sendWaiting();
        })
        .then(resolve, reject);
    };
    return { names, answer, send };
  }

  /** Rejects after its time limit, even if `describeLinks` ignores the signal. */
  async #send(names: readonly string[]): Promise<LinkDescriptions> {
    const { describeLinks, signal, answerMs = defaultAnswerMs } = this.#options;
    const { promise: end, reject } = Promise.withResolvers<never>();
    const giveUp = new AbortController();
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason as Error));
    const timer = setTimeout(() => giveUp.abort(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
    const stop = (): void => giveUp.abort(signal.reason);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      return await Promise.race([end, describeLinks(names, giveUp.signal)]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  #sendWaiting(): void {
    const batch = this.#waiting;
    if (!batch || this.#inFlight >= maxInFlight) return;
    this.#waiting = undefined;
    batch.send();
  }
}
