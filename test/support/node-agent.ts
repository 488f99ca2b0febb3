import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { ConnectionFlusher, type Flush } from '../../src/agent/connection-flusher.ts';
import { Reconciler, type AppliedVersion } from '../../src/agent/reconciler.ts';
import type { FlushConnections } from '../../src/apply/flush-connections.ts';
import type { Compiled } from '../../src/compile/compile.ts';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import type { PolicyId } from '../../src/model/policy.ts';
import type { StageName, TableFamily } from '../../src/nftables/ruleset.ts';
import { Pipeline, type PipelineOptions } from '../../src/pipeline.ts';
import { ManualClock } from './manual-clock.ts';
import { syncedEvents, upsertOf, type ApiObject } from './pipeline.ts';

/** The reconciler waits this long for the rest of a burst of events. */
const burstMs = 20;

/** Does not wait for the rest of a burst: what a test delivers in one piece is all of it. */
class BurstClock extends ManualClock {
  override after(milliseconds: number, callback: () => void): { cancel(): void } {
    if (milliseconds !== burstMs) return super.after(milliseconds, callback);
    const turn = setImmediate(callback);
    return { cancel: () => clearImmediate(turn) };
  }
}

/** The pipeline and the reconciler of node n1, connected as in the agent. Records the callbacks of the reconciler. */
export class NodeAgent {
  readonly pipeline: Pipeline;
  readonly clock: ManualClock;
  /** Of the flushes in the background, which nothing waits for. */
  readonly flusherClock = new ManualClock();
  readonly reconciler: Reconciler;
  /** Number of received events at each applied state. */
  readonly applied: number[] = [];
  /** Compiled result of each applied state; the same object if it did not change. */
  readonly compiled: Compiled[] = [];
  /** Arrival times of the events in each applied state. */
  readonly arrivals: (readonly number[])[] = [];
  readonly stages: StageName[] = [];
  /** Table of each drift. */
  readonly drifts: TableFamily[] = [];
  readonly refused: PolicyId[] = [];
  readonly accepted: PolicyId[] = [];
  readonly failures: { readonly error: unknown; readonly retryIn: number }[] = [];
  readonly flushed: Flush[] = [];
  flushesAtOnce = true;
  onApplied: () => void = () => {};
  onStage: (stage: StageName) => void = () => {};
  flush: FlushConnections = () => Promise.resolve(new Set());
  readonly #abort = new AbortController();
  #received = 0;

  constructor(kernel: KernelTables, clock: ManualClock = new BurstClock(), options: PipelineOptions = {}) {
    this.pipeline = new Pipeline('n1', options);
    this.clock = clock;
    this.reconciler = new Reconciler({
      pipeline: this.pipeline,
      kernel,
      clock,
      version: () => ({ pods: String(this.#received) }) as unknown as AppliedVersion,
      signal: this.#abort.signal,
      connections: new ConnectionFlusher({
        flush: (addresses, ranges) => this.flush(addresses, ranges),
        clock: this.flusherClock,
        tell: (fact) => this.receive(fact),
        flushed: (flush) => void this.flushed.push(flush),
        signal: this.#abort.signal,
      }),
      events: {
        applied: ({ version, plan, receivedAt }) => {
          this.compiled.push(plan.compiled);
          this.applied.push(Number(version.pods));
          this.arrivals.push(receivedAt);
          this.onApplied();
        },
        stageDone: (stage) => {
          this.stages.push(stage);
          this.onStage(stage);
        },
        adopted: () => {},
        drifted: (family) => this.drifts.push(family),
        refused: ({ id }) => this.refused.push(id),
        accepted: ({ id }) => this.accepted.push(id),
        failed: (error, retryIn) => this.failures.push({ error, retryIn }),
      },
    });
  }

  receive(...events: readonly (ResourceEvent | NodeFact)[]): void {
    for (const event of events) {
      this.#received++;
      this.pipeline.receive(event);
      this.reconciler.changed();
    }
  }

  upsert(...objects: readonly ApiObject[]): void {
    this.receive(...objects.map(upsertOf));
  }

  /** Delivers the first lists of all resources. */
  async start(objects: readonly ApiObject[]): Promise<this> {
    this.upsert(...objects);
    this.receive(...syncedEvents());
    await this.idle();
    return this;
  }

  /** Waits until nothing is left to do, also what follows from a flush that a pod waits for, unless `flushesAtOnce` is false. */
  async idle(): Promise<void> {
    for (;;) {
      await this.reconciler.idle();
      const ended = this.flushed.length;
      if (this.flushesAtOnce) this.flusherClock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
      if (this.flushed.length === ended) return this.reconciler.idle();
    }
  }

  /** Advances the clock and waits for due work. */
  async wait(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds);
    await this.idle();
  }

  stop(): void {
    this.#abort.abort();
  }

  get received(): number {
    return this.#received;
  }
}
