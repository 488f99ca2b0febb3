import type { ConnectionReader } from '../../apply/connection-reader.ts';
import type { RecordedDenial } from '../../compile/denials.ts';
import type { FlowHistory } from '../../flows/kept-flow.ts';
import { messageOf } from '../../lib/message-of.ts';
import type { Owners } from '../../model/owner.ts';
import type { FlowFigures } from '../../telemetry/metrics/flows.ts';
import type { TrackedConnection } from '../../nftables/conntrack-dump.ts';
import { findEnd } from './end-finder.ts';
import { FlowBook } from './flow-book.ts';

export interface FlowKeeperOptions {
  readonly node: string;
  readonly reader: ConnectionReader;
  /** `undefined` until all first lists have arrived: until then nothing is kept. */
  readonly ownersOf: () => ((address: string) => Owners) | undefined;
  /** The addresses of this node's devices, canonical. */
  readonly ownAddresses: () => ReadonlySet<string>;
  /** Milliseconds of a monotonic clock, and of the time of day. */
  readonly now: () => number;
  readonly date: () => number;
  readonly pause: (milliseconds: number) => Promise<unknown>;
  /** Called at the first of a series of failures. */
  readonly failed: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * A look reads in slices of about 2 ms, and rests 49 times as long after each: 2 % of a processor, however many connections the kernel tracks. A slice ends with the
 * part that passes 2 ms. A slice of more than 5 ms counts as 5 ms: the kernel most likely ran other processes in that time.
 */
const sliceMs = 2;
const longestSliceMs = 5;
const restPerRead = 49;
const leastRestMs = restPerRead * sliceMs;
/** The kernel keeps an entry for ten seconds at least after a connection has ended (nf_conntrack_tcp_timeout_close), so each is met once. */
const betweenLooksMs = 5_000;
/** How long a question waits for a new look. A look at 10,000 connections takes about as long. */
const freshMs = 1_000;
/** After a failure, as on a kernel without the module nf_conntrack_netlink. */
const afterFailureMs = 60_000;
/** The owners of addresses are asked anew after this time. */
const cachedMs = 1_000;

/**
 * Looks again and again at all tracked connections, and keeps who talks to whom (docs/decisions/0040). A look reads what is there, so it also meets connections that began
 * before the agent, and a flood of new connections hides no other: it makes the look take longer.
 */
export class FlowKeeper {
  readonly #options: FlowKeeperOptions;
  readonly #connection: TrackedConnection = { source: '', destination: '', protocol: 0, port: 0, status: 0, id: 0 };
  readonly #since: number;
  #book: FlowBook;
  #ownAddresses: ReadonlySet<string> = new Set();
  #askedAt = -Infinity;
  #look: FlowHistory['look'];
  #failing: string | undefined;
  /** Looks that have begun. */
  #begun = 0;
  /** Questions that wait for a look after this number of them. */
  #questions: { readonly after: number; readonly answer: () => void }[] = [];
  /** Ends the pause between two looks. */
  #wake = (): void => {};
  /** Milliseconds of rest that the last look still costs: for its beginning and its last slice. */
  #owedMs = leastRestMs;

  constructor(options: FlowKeeperOptions) {
    this.#options = options;
    this.#since = this.#minute();
    this.#book = new FlowBook((address) => this.#endOf(address), this.#since);
  }

  /** Runs until the signal aborts. Never rejects. */
  async run(): Promise<void> {
    const { reader, failed, signal } = this.#options;
    while (!signal.aborted) {
      let waitMs = betweenLooksMs;
      try {
        waitMs = await this.#lookAtAll();
        this.#failing = undefined;
      } catch (error) {
        if (this.#failing === undefined && !signal.aborted) failed(error);
        this.#failing = messageOf(error);
        for (const { answer } of this.#questions.splice(0)) answer();
        waitMs = afterFailureMs;
      }
      await this.#rest(waitMs);
    }
    reader.close();
  }

  /** Resolves with the history after a look that begins after this call. After a second, it resolves with what is known. */
  async latest(): Promise<FlowHistory> {
    const { ownersOf, pause } = this.#options;
    if (this.#failing === undefined && ownersOf()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const question = { after: this.#begun, answer: resolve };
      this.#questions.push(question);
      this.#wake();
      await Promise.race([promise, pause(freshMs).catch(() => {})]);
      this.#questions = this.#questions.filter((each) => each !== question);
    }
    return this.history();
  }

  /** Takes what the kernel has newly recorded as denied. */
  denied(denials: readonly RecordedDenial[]): void {
    if (!this.#options.ownersOf()) return;
    this.#refresh();
    for (const each of denials) this.#book.denied(each);
  }

  history(): FlowHistory {
    this.#refresh();
    const [look, failing] = [this.#look, this.#failing];
    return {
      node: this.#options.node,
      now: this.#minute(),
      since: this.#since,
      ...(failing !== undefined && { failing }),
      ...(look && { look }),
      flows: this.#book.flows(),
    };
  }

  get rows(): number {
    return this.#book.size;
  }

  /** What metrics show. */
  get figures(): FlowFigures {
    const { size: rows, counted } = this.#book;
    return { rows, counted, isFailing: this.#failing !== undefined, ...(this.#look && { look: this.#look }) };
  }

  /** Resolves with the milliseconds until the next look. */
  async #lookAtAll(): Promise<number> {
    const { reader, ownersOf, ownAddresses, now, pause, signal } = this.#options;
    if (!ownersOf()) return betweenLooksMs;
    const begun = now();
    const number = ++this.#begun;
    this.#ownAddresses = ownAddresses();
    let connections = 0;
    const visit = (): void => {
      connections++;
      this.#book.connection(this.#connection);
    };
    await reader.begin();
    const preparing = now() - begun;
    let sliceBegun = now();
    for (let isDone = false; !isDone; sliceBegun = now()) {
      this.#refresh();
      while (!isDone && now() - sliceBegun < sliceMs) isDone = reader.readPart(this.#connection, visit);
      if (isDone) break;
      await pause(restFor(now() - sliceBegun));
      signal.throwIfAborted();
    }
    this.#book.looked();
    this.#owedMs = Math.max(leastRestMs, restFor(preparing) + restFor(now() - sliceBegun));
    for (const { after, answer } of this.#questions) if (after < number) answer();
    this.#questions = this.#questions.filter(({ after }) => after >= number);
    const tookMs = now() - begun;
    this.#look = { seconds: Math.round(tookMs / 100) / 10, connections };
    return Math.max(this.#owedMs, betweenLooksMs - tookMs);
  }

  /** Between two looks. A question shortens it to what the last look still costs. */
  async #rest(milliseconds: number): Promise<void> {
    const { pause } = this.#options;
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#questions.length > 0 && this.#failing === undefined) resolve();
    await Promise.race([pause(milliseconds), asked.then(() => pause(this.#owedMs))]).catch(() => {});
    this.#wake = () => {};
  }

  #endOf(address: string): ReturnType<typeof findEnd> {
    const { node, ownersOf } = this.#options;
    const owners = ownersOf() ?? (() => ({ pods: [], nodes: [] }));
    return findEnd(address, { node, ownersOf: owners, ownAddresses: this.#ownAddresses });
  }

  #refresh(): void {
    const now = this.#options.now();
    if (now - this.#askedAt < cachedMs) return;
    this.#askedAt = now;
    this.#book.forget(this.#minute());
  }

  #minute(): number {
    return Math.floor(this.#options.date() / 60_000);
  }
}

function restFor(workMs: number): number {
  return restPerRead * Math.min(workMs, longestSliceMs);
}
