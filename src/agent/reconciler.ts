import { heapGrowth } from '../lib/heap-growth.ts';
import type { ResourceName } from '../model/cluster.ts';
import type { Policy, PolicyId } from '../model/policy.ts';
import type { Operation, Ruleset, Stage, StageName, TableFamily } from '../nftables/ruleset.ts';
import { tableFamilies } from '../nftables/ruleset.ts';
import { hasFlowSets } from '../plan/flows.ts';
import { planSweep, tablesUnlike, type Plan } from '../plan/plan.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Clock } from './clock.ts';
import type { ConnectionFlusher } from './connection-flusher.ts';
import { EventBurst, nextTurn } from './event-burst.ts';
import type { KernelTables } from './kernel-tables.ts';
import { hasCode, RefusalSearch } from './refusal-search.ts';
import type { Refusals } from './refusals.ts';
import { retryLimit, timeLimitOf } from './time-limit.ts';

/** A hash over the object versions of each resource. A client that waits for its own change compares it. */
export type AppliedVersion = Readonly<Record<ResourceName, string>>;

export interface AppliedRun {
  readonly version: AppliedVersion;
  readonly plan: ReturnType<Pipeline['plan']>;
  /** Arrival times of the events in this run, in milliseconds of the clock; at most the first 1,000. */
  readonly receivedAt: readonly number[];
}

/** Notifications of the reconciler. The agent logs, counts and publishes them. */
export interface ReconcilerEvents {
  /** The kernel now holds what the objects said when this run began; `version` is what `version()` gave then. */
  applied(run: AppliedRun): void;
  stageDone(stage: StageName, operations: readonly Operation[], seconds: number): void;
  adopted(ruleset: Ruleset | undefined, swept: Plan): void;
  /** The kernel does not hold what was last written to this table. */
  drifted(family: TableFamily): void;
  refused(policy: Policy, error: unknown): void;
  /** The kernel takes a policy that it had refused. */
  accepted(policy: Policy): void;
  failed(error: unknown, retryIn: number): void;
}

type Inspector = (changed: readonly TableFamily[] | undefined) => void;

/** Compares a part of our tables with what the kernel should hold. Resolves with whether all of the part is so; never rejects. */
export type Compare = (should: Ruleset) => Promise<boolean>;

/** While nothing can be written, arrivals must not fill the memory. */
const keptArrivals = 1000;
/** The chain of each table in which flushing or deleting it, whole or in part, shows. */
const sentinels: Readonly<Record<TableFamily, string>> = { ip: 'forward', ip6: 'forward', bridge: 'prerouting' };
const notHeld = 'the kernel does not hold what was written to it';
const firstBackoff = 200;
const lastBackoff = 30_000;
/** Milliseconds for which changes come before a read of our tables, if it is not certain that another program has changed them. */
const longestDoubt = 2000;

/**
 * Brings the kernel to the newest state, one change at a time: what arrives during an apply goes into the next. Nothing is
 * written before all first lists are in (S7.14), and nothing is taken away when it stops (S7.13).
 */
export class Reconciler {
  readonly #pipeline: Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;
  readonly #kernel: KernelTables;
  readonly #clock: Clock;
  readonly #burst: EventBurst;
  readonly #events: ReconcilerEvents;
  readonly #connections: Pick<ConnectionFlusher, 'denyStale' | 'applied' | 'distrust'>;
  readonly #version: () => AppliedVersion;
  /** Ends the loop between two changes. A change that has begun is brought to its end: stages are not left half done. */
  readonly #signal: AbortSignal;
  readonly #unhurried = new AbortController().signal;

  readonly #search: RefusalSearch;
  readonly #refusals: Refusals;
  /** The policies of the last change that is in force, to tell which ones a change brings. */
  #inForce: ReadonlyMap<PolicyId, Policy> = new Map();
  /** What the kernel holds; not known at start and after any failure. */
  #applied: { ruleset: Ruleset | undefined } | undefined;
  /** Arrival times of events that are in no plan yet. */
  #arrivals: number[] = [];
  /** Arrival times of events in a plan that is not in force yet. */
  #takenIn: number[] = [];
  #dirty = false;
  /** A read of our tables is due, because another program may have changed them. Until this time, changes come first. */
  #readBy: number | undefined;
  #isReading = false;
  /** Called with the result of the next read that `inspect` asks for. */
  readonly #inspectors: Inspector[] = [];
  /** A comparison that waits, with the time until which changes come before it. */
  #comparison: { readonly compare: Compare; readonly by: number; readonly done: () => void } | undefined;
  /** Another program may have added elements to flow sets, which looks like what packets add, or a change of ours did not come to its end. */
  #areFlowsDoubtful = false;
  /** A change before, of this agent or of an earlier one, may have stopped between two stages. */
  #isInterrupted = false;
  /** The tables that `#inspect` has just read. The next `#adopt` uses them, and does not read again. */
  #found: { readonly ruleset: Ruleset | undefined } | undefined;
  #running: Promise<void> | undefined;
  #timer: { cancel(): void } | undefined;
  #failures = 0;
  #lastProgress = 0;

  constructor(options: {
    /** What the kernel should hold. */
    pipeline: Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;
    kernel: KernelTables;
    clock: Clock;
    events: ReconcilerEvents;
    connections: Pick<ConnectionFlusher, 'denyStale' | 'applied' | 'distrust'>;
    /** Names the objects received so far, for clients that wait until they are applied. */
    version: () => AppliedVersion;
    signal: AbortSignal;
  }) {
    this.#pipeline = options.pipeline;
    this.#kernel = options.kernel;
    this.#clock = options.clock;
    this.#burst = new EventBurst(options.clock);
    this.#events = options.events;
    this.#connections = options.connections;
    this.#version = options.version;
    this.#signal = options.signal;
    const progress = () => this.#progress();
    this.#search = new RefusalSearch({ ...options, signal: this.#unhurried, progress });
    this.#refusals = this.#search.refusals;
    this.#signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true });
  }

  /** An event has gone into the pipeline. */
  changed(): void {
    // What the first lists bring is not late: nothing may be written before all are in.
    if (this.#pipeline.inSync && this.#arrivals.length < keptArrivals) this.#arrivals.push(this.#clock.now());
    this.#burst.add();
    this.#dirty = true;
    // Until a failed write is due again, events only gather.
    if (this.#failures === 0) this.#start();
  }

  /** Settles when no run is under way. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * Compares one chain of each of our tables with what was written: the chain that every packet meets (S7.16). If another program has changed it,
   * the reconciler restores the table. Does nothing during a run, or while the content of the kernel is not known.
   */
  async verify(): Promise<void> {
    await Promise.all(tableFamilies.map((family) => this.#verify(family)));
  }

  async #verify(family: TableFamily): Promise<void> {
    const applied = this.#applied;
    if (this.#running || !applied) return;
    const holds = await this.#holds(applied.ruleset, family);
    if (this.#running || this.#applied !== applied || holds) return;
    this.#events.drifted(family);
    this.#applied = undefined;
    this.#dirty = true;
    this.#start();
  }

  /**
   * Another program has changed any part of our tables (S7.18), or may have: they are read, between two changes of ours, and what is not as it was
   * written is brought back. If it is not certain, changes come first for a while. While what the kernel holds is not known, this does nothing: the next
   * run reads it, and the drift watch asks again if that read began too early.
   */
  suspect(isCertain: boolean): void {
    if (!this.#applied) return;
    const now = this.#clock.now();
    this.#readBy = Math.min(this.#readBy ?? Infinity, isCertain ? now : now + longestDoubt);
    this.#start();
  }

  /**
   * Reads all that our tables hold, between two changes. Resolves with the tables that were not as they were written, and that the reconciler brings
   * back; with `undefined` if what the kernel holds is not known now, or if the read fails. Calls at the same time share one read.
   */
  inspect(): Promise<readonly TableFamily[] | undefined> {
    const { promise, resolve } = Promise.withResolvers<readonly TableFamily[] | undefined>();
    if (!this.#applied || this.#signal.aborted) resolve(undefined);
    else this.#inspectors.push(resolve);
    this.suspect(true);
    return promise;
  }

  /**
   * Calls `compare` between two changes; changes that wait come first for a while. If it finds a difference, the reconciler reads all of our tables, and
   * brings back what differs. Resolves when `compare` has, or without it if what the kernel holds is not known now. One call at a time.
   */
  async compare(compare: Compare): Promise<void> {
    if (!this.#applied || this.#signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#comparison = { compare, by: this.#clock.now() + longestDoubt, done: resolve };
    this.#start();
    await promise;
  }

  /** Whether the kernel holds what was last written, as far as the agent knows: no read of our tables is due, and none is under way. */
  get isCertain(): boolean {
    return this.#applied !== undefined && this.#readBy === undefined && !this.#isReading;
  }

  /** For how long a run has been under way without any of its steps coming to an end, in milliseconds; 0 between runs. */
  get stuckFor(): number {
    return this.#running ? this.#clock.now() - this.#lastProgress : 0;
  }

  get refusedPolicies(): ReadonlySet<PolicyId> {
    return this.#refusals.ids;
  }

  #start(): void {
    if (this.#running || this.#signal.aborted) return;
    this.#progress();
    // A plan may contain the whole rule set, which needs memory. A small change needs no collection, so the setting costs it nothing.
    this.#running = heapGrowth.during(() => this.#run());
  }

  #progress(): void {
    this.#lastProgress = this.#clock.now();
  }

  async #run(): Promise<void> {
    // Wait for one turn of the event loop, so that events that arrived together become one change.
    await nextTurn();
    try {
      while (this.#hasWork && !this.#signal.aborted && this.#pipeline.inSync) {
        try {
          if (this.#comparison && (!this.#dirty || this.#clock.now() >= this.#comparison.by)) await this.#compare();
          if (this.#readBy !== undefined && (!this.#dirty || this.#clock.now() >= this.#readBy)) await this.#inspect();
          if (!this.#dirty) continue;
          if (this.#applied) await this.#burst.gather(() => this.#progress());
          await this.#reconcile();
          this.#failures = 0;
        } catch (error) {
          this.#answer(this.#inspectors.splice(0), undefined);
          this.#applied = undefined;
          const delay = Math.min(firstBackoff * 2 ** this.#failures++, lastBackoff) * (0.5 + this.#clock.random() / 2);
          this.#events.failed(error, delay);
          this.#wakeAt(this.#clock.now() + delay);
          return;
        }
      }
      const retry = this.#refusals.nextRetry;
      if (retry !== undefined) this.#wakeAt(retry);
    } finally {
      this.#burst.end();
      this.#comparison?.done();
      this.#comparison = undefined;
      // There is no await between the last check for work and this line: a later change must start a new run.
      this.#running = undefined;
    }
  }

  get #hasWork(): boolean {
    return this.#dirty || this.#readBy !== undefined || this.#comparison !== undefined;
  }

  async #compare(): Promise<void> {
    const { compare, done } = this.#comparison!;
    this.#comparison = undefined;
    const applied = this.#applied?.ruleset;
    if (applied && !(await compare(applied))) this.suspect(true);
    this.#progress();
    done();
  }

  /** Reads all of our tables. If one differs from what was written, the next change restores it. A read cannot tell whether packets or another program added an element to a flow set, so the flow sets become doubtful. */
  async #inspect(): Promise<void> {
    this.#readBy = undefined;
    const inspectors = this.#inspectors.splice(0);
    let changed: TableFamily[] | undefined;
    this.#isReading = true;
    try {
      if (!this.#applied) return;
      const found = await this.#kernel.observe(this.#unhurried);
      this.#progress();
      if (hasFlowSets(found)) this.#areFlowsDoubtful = this.#dirty = true;
      changed = tablesUnlike(this.#applied.ruleset, found);
      if (changed.length > 0) this.#distrust(changed, found);
    } finally {
      this.#isReading = false;
      this.#answer(inspectors, changed);
    }
  }

  #answer(inspectors: readonly Inspector[], changed: readonly TableFamily[] | undefined): void {
    for (const inspector of inspectors) inspector(changed);
  }

  #distrust(changed: readonly TableFamily[], found: Ruleset | undefined): void {
    for (const family of changed) this.#events.drifted(family);
    this.#found = { ruleset: found };
    this.#applied = undefined;
    this.#dirty = true;
  }

  async #reconcile(): Promise<void> {
    const mustVerify = this.#applied === undefined;
    this.#applied ??= await this.#adopt();
    this.#refusals.keepCurrent(this.#pipeline.snapshot.policies);
    await this.#search.retry(this.#applied.ruleset, (policy) => this.#events.accepted(policy));
    for (let wasAccepted = false; ;) {
      // The plan takes in all that has come by now.
      this.#dirty = false;
      this.#takenIn = [...this.#takenIn, ...this.#arrivals].slice(0, keptArrivals);
      this.#arrivals = [];
      const version = this.#version();
      const plan = this.#plan(this.#applied.ruleset);
      const { snapshot } = this.#pipeline;
      if (this.#connections.denyStale(snapshot, plan.compiled, this.#applied.ruleset)) continue;
      const policies = plan.stages.length > 0 ? new Map(snapshot.policies) : this.#inForce;
      const end = plan.stages.findLastIndex(({ name }) => name !== 'delete') + 1;
      try {
        await this.#apply(plan.stages.slice(0, end));
        if (mustVerify) await this.#assertHolds(plan.result);
        this.#areFlowsDoubtful = false;
        this.#isInterrupted = false;
        this.#connections.applied();
        this.#inForce = policies;
        this.#events.applied({ version, plan, receivedAt: this.#takenIn });
        this.#takenIn = [];
      } catch (error) {
        if (hasCode(error, 'timeout')) {
          // If nft cannot list our tables either, or now accepts the change in time, the node was busy. Then no policy is to blame.
          this.#applied = await this.#adopt();
          if (!wasAccepted && (await this.#search.accepts(this.#applied.ruleset, this.#refusals.ids, retryLimit))) {
            wasAccepted = true;
            continue;
          }
          const costly = this.#search.findCostly(this.#inForce);
          if (costly.length === 0) throw error;
          for (const policy of costly) this.#refuse(policy, error);
          continue;
        }
        if (!hasCode(error, 'refused')) throw error;
        this.#applied = await this.#adopt();
        const finding = await this.#search.findCulprit(this.#applied.ruleset);
        // If the kernel accepts the change now, no policy is to blame: the table was not as the agent expected. Retry once, or this could never end.
        if (finding.kind === 'refused' || (finding.kind === 'accepted' && wasAccepted)) throw error;
        if (finding.kind === 'accepted') wasAccepted = true;
        else this.#refuse(finding.culprit, error);
        continue;
      }
      await this.#apply(plan.stages.slice(end));
      // Keep `plan.result` even if the plan has no stages: the next plan skips objects that are identical.
      if (this.#applied.ruleset !== plan.result) this.#applied = { ruleset: plan.result };
      return;
    }
  }

  #plan(applied: Ruleset | undefined): ReturnType<Pipeline['plan']> {
    const options = { areFlowsDoubtful: this.#areFlowsDoubtful, isInterrupted: this.#isInterrupted };
    return this.#burst.plan(() => this.#pipeline.plan(applied, this.#refusals.ids, options));
  }

  /** Reads our tables once, where they have not just been read, and deletes what a crash left between two stages. */
  async #adopt(): Promise<{ ruleset: Ruleset | undefined }> {
    const found = this.#found;
    this.#found = undefined;
    const reading = found ? found.ruleset : this.#kernel.observe(this.#unhurried);
    const [ruleset] = await Promise.all([reading, this.#prepare()]);
    this.#progress();
    this.#areFlowsDoubtful = true;
    this.#isInterrupted = true;
    const sweep: Plan = planSweep(ruleset ?? {});
    const adopted = { ruleset: ruleset && sweep.result };
    this.#connections.distrust();
    await this.#apply(sweep.stages);
    this.#events.adopted(ruleset, sweep);
    return adopted;
  }

  /** Prepares the plan while nft reads the tables. It is async, so that an error here does not leave the read without a handler. */
  async #prepare(): Promise<void> {
    if (this.#refusals.ids.size === 0) this.#pipeline.prepare();
  }

  async #apply(stages: readonly Stage[]): Promise<void> {
    for (const { name, afterGracePeriod, operations } of stages) {
      const startedAt = this.#clock.now();
      const timeoutMs = timeLimitOf(operations);
      await this.#kernel.run(operations, { check: false, signal: this.#unhurried, timeoutMs, afterGracePeriod });
      this.#progress();
      this.#events.stageDone(name, operations, (this.#clock.now() - startedAt) / 1000);
    }
  }

  async #assertHolds(ruleset: Ruleset | undefined): Promise<void> {
    for (const family of tableFamilies) if (!(await this.#holds(ruleset, family))) throw new Error(notHeld);
  }

  /** Whether the kernel's chain that every packet meets is that of the rule set. */
  async #holds(ruleset: Ruleset | undefined, family: TableFamily): Promise<boolean> {
    const name = sentinels[family];
    const expected = ruleset?.[family]?.chains.get(name);
    if (!expected) return true;
    const found = await this.#kernel.observeChain(family, name, this.#unhurried);
    return JSON.stringify(found) === JSON.stringify(expected);
  }

  /** S9.10: the policy's allows are left out from now on. */
  #refuse(policy: Policy, error: unknown): void {
    this.#refusals.add(policy, this.#clock.now());
    this.#events.refused(policy, error);
  }

  #wakeAt(time: number): void {
    this.#timer?.cancel();
    if (this.#signal.aborted) return;
    this.#timer = this.#clock.after(Math.max(0, time - this.#clock.now()), () => {
      this.#dirty = true;
      this.#start();
    });
  }
}
