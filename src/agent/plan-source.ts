import { invariant } from '../lib/assert.ts';
import type { TablesFound } from '../apply/find-our-tables.ts';
import type { Compiled } from '../compile/compile.ts';
import type { NodeFact, ResourceEvent, Sandbox } from '../model/cluster.ts';
import type { PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Plan, PlanOptions } from '../plan/plan.ts';
import { chooseSource, patienceMs, type Source } from '../state/choose-source.ts';
import { replayState } from '../state/replay.ts';
import type { SavedState } from '../state/saved-state.ts';
import type { Clock } from './clock.ts';

type Planner = Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;

export interface PlanSourceOptions {
  readonly node: string;
  readonly pipeline: Planner;
  /** Creates the pipeline that receives the saved state and the sandboxes. */
  readonly createPipeline: (saved: SavedState) => Pipeline;
  /** Reads the saved state of this node. Called only if it may be needed: for a large cluster it takes a second and many megabytes. */
  readonly readSaved: () => Promise<SavedState | undefined>;
  readonly clock: Clock;
  /** Called once if the API server has not answered in time, and the saved state is not used because the kernel's rules are newer. */
  readonly outdated: () => void;
  /** Called when the kernel's rules may have to change. */
  readonly changed: () => void;
}

/**
 * Chooses the source of the rules. Once all first lists have arrived, of the API server and of the node's sandboxes, it is the pipeline. Until then it
 * is the saved state (S7.15). Without one, the agent writes nothing, and the rules in the kernel stay (S7.14).
 */
export class PlanSource implements Planner {
  readonly #options: PlanSourceOptions;
  /** The saved state with the current sandboxes. Dropped when the cluster is known: it can have many megabytes. */
  #restored: Pipeline | undefined;
  readonly #sandboxes = new Map<string, Sandbox>();
  #sandboxesListed = false;
  #opened: (TablesFound & { readonly hasWaited: boolean }) | undefined;
  /** Once true it stays true: after the agent has applied the saved state, it must not go back to the earlier rules. */
  #sandboxesRecorded = false;
  readonly #restoredPlans = new WeakSet<Plan>();

  constructor(options: PlanSourceOptions) {
    this.#options = options;
  }

  /** To be called after the pipeline has received the event. */
  receive(event: ResourceEvent | NodeFact): void {
    if (event.op === 'sandbox') {
      if (event.value) this.#sandboxes.set(event.id, event.value);
      else this.#sandboxes.delete(event.id);
    }
    // Events of the first lists do not change the saved state.
    const isOfNode = event.op === 'sandbox' || event.op === 'unflushed';
    if (isOfNode) this.#restored?.receive(event);
    if (isOfNode || this.current !== 'saved') this.#options.changed();
  }

  /** All sandboxes of the node have been emitted, or there is no cache to read. */
  listedSandboxes(): void {
    this.#sandboxesListed = true;
    this.#options.changed();
  }

  /** To be called when this agent may write. */
  open(found: TablesFound): void {
    const { clock, changed } = this.#options;
    this.#opened = { ...found, hasWaited: false };
    changed();
    if (!found.tableFound) return void this.#readSaved();
    // The timer decides, not the clock: a timer may fire slightly early, and nothing would check the clock again.
    clock.after(patienceMs, () => {
      this.#opened = { ...found, hasWaited: true };
      if (!found.isUnsaved) void this.#readSaved();
      else if (!this.#options.pipeline.inSync) this.#options.outdated();
    });
  }

  async #readSaved(): Promise<void> {
    const { node, pipeline, readSaved, createPipeline, changed } = this.#options;
    if (pipeline.inSync) return;
    const saved = await readSaved();
    if (!saved || pipeline.inSync) return;
    const restored = createPipeline(saved);
    for (const event of replayState(saved, node)) restored.receive(event);
    for (const [id, value] of this.#sandboxes) restored.receive({ op: 'sandbox', id, value });
    this.#restored = restored;
    changed();
  }

  get current(): Source {
    if (!this.#opened || !this.#sandboxesListed) return 'kernel';
    const { inSync } = this.#options.pipeline;
    // Once in sync, the pipeline stays in sync.
    if (inSync) this.#restored = undefined;
    // A sandbox of a saved pod, live or not, shows that the container runtime records sandboxes.
    this.#sandboxesRecorded ||= this.#restored?.cniCacheComplete === true;
    return chooseSource({
      inSync,
      hasSaved: this.#restored !== undefined,
      ...this.#opened,
      sandboxesRecorded: this.#sandboxesRecorded,
    });
  }

  /** Whether the agent may write rules; equal to `snapshot.inSync`. */
  get inSync(): boolean {
    return this.current !== 'kernel';
  }

  /** `inSync` is false while the agent may not write rules. */
  get snapshot(): Snapshot {
    return this.#planner?.snapshot ?? { ...this.#options.pipeline.snapshot, inSync: false };
  }

  prepare(): void {
    this.#planner?.prepare();
  }

  plan(
    applied: Ruleset | undefined,
    refused?: ReadonlySet<PolicyId>,
    options?: PlanOptions,
  ): Plan & { compiled: Compiled } {
    const planner = this.#mustPlan();
    const plan = planner.plan(applied, refused, options);
    if (planner === this.#restored) this.#restoredPlans.add(plan);
    return plan;
  }

  probe(applied: Ruleset | undefined, refused: ReadonlySet<PolicyId>): Plan {
    return this.#mustPlan().probe(applied, refused);
  }

  get liveSandboxes(): number {
    return this.#sandboxes.values().reduce((count, { live }) => count + Number(live), 0);
  }

  /** Whether the plan comes from the saved state and not from the current cluster. */
  isRestored(plan: Plan): boolean {
    return this.#restoredPlans.has(plan);
  }

  get #planner(): Planner | undefined {
    const { current } = this;
    if (current === 'kernel') return undefined;
    return current === 'cluster' ? this.#options.pipeline : this.#restored;
  }

  #mustPlan(): Planner {
    const planner = this.#planner;
    invariant(planner, 'nothing may be written yet');
    return planner;
  }
}
