import type { NodeFact, Pod, ResourceEvent, Sandbox } from '../model/cluster.ts';
import { isSandboxOf } from '../ownership/sandbox-index.ts';
import { backoffDelay } from '../watch/backoff.ts';
import type { Clock } from './clock.ts';

export interface PodFetcherOptions {
  /** Reads one pod from the API server; `undefined` if it does not exist. Rejects if the API server does not answer. */
  readonly get: (pod: Pick<Sandbox, 'namespace' | 'name'>, signal: AbortSignal) => Promise<Pod | undefined>;
  readonly tell: (fact: NodeFact) => void;
  /** `missing`: the API server has no such pod, so the sandbox's traffic stays denied. */
  readonly finished: (result: 'found' | 'missing' | 'failed', sandbox: Sandbox, error?: unknown) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Limits the load on the API server if a node starts a hundred pods at once. */
const mostAtOnce = 4;
const timeoutMs = 2000;
const backoff = { firstMs: 200, maxMs: 10_000 };
/** A fetched pod that the watch does not report is read again after this time: it may have been deleted or changed. */
const againMs = 10_000;

interface Question {
  readonly sandbox: Sandbox;
  /** `missing`: the API server has answered, and the fetcher does not ask again. */
  state: 'due' | 'asking' | 'waiting' | 'missing';
  failures: number;
  /** The fetcher has emitted this pod, and the watch has not. */
  isEmitted: boolean;
  timer?: { cancel(): void };
}

/**
 * Reads the pods of sandboxes that the watch has not reported (S7.7), so that a starting pod does not wait for a slow watch. If the pod does not exist,
 * the fetcher does not ask again: the watch reports a pod that is created later.
 */
export class PodFetcher {
  readonly #options: PodFetcherOptions;
  /** Sandbox id → question. */
  readonly #questions = new Map<string, Question>();
  #asking = 0;

  constructor(options: PodFetcherOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => {
      for (const id of this.#questions.keys()) this.#forget(id);
    });
  }

  /** @param unknown all live sandboxes whose pod is unknown now */
  want(unknown: Iterable<Sandbox>): void {
    if (this.#options.signal.aborted) return;
    const wanted = new Map(Array.from(unknown, (sandbox) => [sandbox.id, sandbox]));
    for (const [id, { isEmitted }] of this.#questions) if (!isEmitted && !wanted.has(id)) this.#forget(id);
    for (const [id, sandbox] of wanted) {
      if (!this.#questions.has(id)) this.#questions.set(id, { sandbox, state: 'due', failures: 0, isEmitted: false });
    }
    this.#askNext();
  }

  /** To be called with every event that the pipeline receives. */
  receive(event: ResourceEvent | NodeFact): void {
    if (event.op === 'upsert' && event.value.kind === 'Pod') this.#broughtByWatch(event.value);
    else if (event.op === 'sandbox' && !event.value?.live) this.#end(event.id);
  }

  /** The watch reports this pod from now on. */
  #broughtByWatch(pod: Pod): void {
    for (const [id, { sandbox }] of this.#questions) if (isSandboxOf(sandbox, pod)) this.#forget(id);
  }

  #end(id: string): void {
    const question = this.#questions.get(id);
    this.#forget(id);
    if (question?.isEmitted) this.#tell(question.sandbox, undefined);
  }

  #forget(id: string): void {
    this.#questions.get(id)?.timer?.cancel();
    this.#questions.delete(id);
  }

  #askNext(): void {
    for (const question of this.#questions.values()) {
      if (this.#asking >= mostAtOnce) return;
      if (question.state === 'due') void this.#ask(question);
    }
  }

  async #ask(question: Question): Promise<void> {
    const { get, finished, clock, signal } = this.#options;
    const { sandbox } = question;
    question.state = 'asking';
    this.#asking++;
    let answer: { readonly pod: Pod | undefined } | { readonly error: unknown };
    try {
      answer = { pod: await get(sandbox, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])) };
    } catch (error) {
      answer = { error };
    }
    this.#asking--;
    // The question may have been dropped meanwhile.
    if (this.#questions.get(sandbox.id) === question) {
      if ('error' in answer) {
        finished('failed', sandbox, answer.error);
        this.#askLater(
          question,
          backoffDelay(question.failures++, backoff, () => clock.random()),
        );
      } else {
        // A pod of the same name with another uid is not the sandbox's pod, which has been deleted.
        const pod = answer.pod && isSandboxOf(sandbox, answer.pod) ? answer.pod : undefined;
        question.failures = 0;
        question.state = 'missing';
        if (pod) this.#askLater(question, againMs);
        finished(pod ? 'found' : 'missing', sandbox);
        this.#answer(question, pod);
      }
    }
    this.#askNext();
  }

  #askLater(question: Question, milliseconds: number): void {
    question.state = 'waiting';
    question.timer = this.#options.clock.after(milliseconds, () => {
      question.state = 'due';
      this.#askNext();
    });
  }

  #answer(question: Question, pod: Pod | undefined): void {
    const wasEmitted = question.isEmitted;
    // Only the pod that has the name now counts.
    if (pod) for (const other of this.#questions.values()) if (isOfSameName(other, question)) other.isEmitted = false;
    question.isEmitted = pod !== undefined;
    if (pod || wasEmitted) this.#tell(question.sandbox, pod);
  }

  #tell({ namespace, name }: Sandbox, value: Pod | undefined): void {
    this.#options.tell({ op: 'fetched', key: `${namespace}/${name}`, value });
  }
}

function isOfSameName({ sandbox: a }: Question, { sandbox: b }: Question): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}
