import { invariant } from '../lib/assert.ts';
import type { Compiled, Compiler } from '../compile/compile.ts';
import type { NodeFact, ResourceEvent, Sandbox } from '../model/cluster.ts';
import type { PolicyId } from '../model/policy.ts';
import type { Delta, Snapshot } from '../model/snapshot.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { Pipeline } from '../pipeline.ts';
import { planStages, type Plan } from '../plan/plan.ts';
import { chooseSource, patienceMs, type Source } from '../state/choose-source.ts';
import { deltaOfRestored, hasSandboxOfSavedPod, restoreSnapshot } from '../state/restore.ts';
import type { SavedState } from '../state/saved-state.ts';
import type { Clock } from './clock.ts';

export interface PlanSourceOptions {
  readonly pipeline: Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;
  /** Creates a compiler for the saved state; the pipeline has its own. */
  readonly createCompiler: () => Pick<Compiler, 'compile' | 'probe'>;
  /** Reads the saved state of this node. Called only if it may be needed: for a large cluster it takes a second and many megabytes. */
  readonly readSaved: () => Promise<SavedState | undefined>;
  /** The gated ranges while the saved state is in force. */
  readonly gatedRanges: (saved: SavedState) => readonly string[];
  readonly clock: Clock;
  /** Called when the kernel's rules may have to change. */
  readonly changed: () => void;
}

interface Restoring {
  readonly saved: SavedState;
  readonly compiler: Pick<Compiler, 'compile' | 'probe'>;
  /** The Snapshot that was compiled last. */
  compiled?: Snapshot;
}

/**
 * Chooses the source of the rules. Once all first lists have arrived, of the API server and of the node's sandboxes, it is the pipeline. Until then it
 * is the saved state (S7.15). Without one, the agent writes nothing, and the rules in the kernel stay (S7.14).
 */
export class PlanSource implements Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'> {
  readonly #options: PlanSourceOptions;
  /** Dropped when the cluster is known: it can have many megabytes. */
  #restoring: Restoring | undefined;
  readonly #sandboxes = new Map<string, Sandbox>();
  #sandboxesListed = false;
  #opened: { readonly tableFound: boolean; readonly hasWaited: boolean } | undefined;
  /** The Snapshot of the saved state and the current sandboxes. */
  #restored: Snapshot | undefined;
  /** Once true it stays true: after the agent has applied the saved state, it must not go back to the earlier rules. */
  #sandboxesRecorded = false;
  #restorations = 0;
  readonly #restoredPlans = new WeakSet<Plan>();

  constructor(options: PlanSourceOptions) {
    this.#options = options;
  }

  /** To be called after the pipeline has received the event. */
  receive(event: ResourceEvent | NodeFact): void {
    if (event.op === 'sandbox') {
      if (event.value) this.#sandboxes.set(event.id, event.value);
      else this.#sandboxes.delete(event.id);
      this.#restored = undefined;
    }
    // Events of the first lists do not change the saved state.
    if (event.op === 'sandbox' || this.current !== 'saved') this.#options.changed();
  }

  /** All sandboxes of the node have been emitted, or there is no cache to read. */
  listedSandboxes(): void {
    this.#sandboxesListed = true;
    this.#options.changed();
  }

  /** To be called when this agent may write. */
  open(tableFound: boolean): void {
    const { clock, changed } = this.#options;
    this.#opened = { tableFound, hasWaited: false };
    changed();
    if (!tableFound) return void this.#readSaved();
    // The timer decides, not the clock: a timer may fire slightly early, and nothing would check the clock again.
    clock.after(patienceMs, () => {
      this.#opened = { tableFound, hasWaited: true };
      void this.#readSaved();
    });
  }

  async #readSaved(): Promise<void> {
    const { pipeline, readSaved, createCompiler, changed } = this.#options;
    if (pipeline.inSync) return;
    const saved = await readSaved();
    if (!saved) return;
    this.#restoring = { saved, compiler: createCompiler() };
    changed();
  }

  get current(): Source {
    if (!this.#opened || !this.#sandboxesListed) return 'kernel';
    const { inSync } = this.#options.pipeline;
    // Once in sync, the pipeline stays in sync.
    if (inSync) this.#restoring = this.#restored = undefined;
    const saved = this.#restoring?.saved;
    this.#sandboxesRecorded ||= saved !== undefined && hasSandboxOfSavedPod(saved, this.#sandboxes.values());
    return chooseSource({
      inSync,
      hasSaved: saved !== undefined,
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
    switch (this.current) {
      case 'cluster':
        return this.#options.pipeline.snapshot;
      case 'saved':
        return (this.#restored ??= this.#restore());
      case 'kernel':
        return { ...this.#options.pipeline.snapshot, inSync: false };
    }
  }

  prepare(): void {
    if (this.current === 'cluster') this.#options.pipeline.prepare();
  }

  plan(applied: Ruleset | undefined, refused?: ReadonlySet<PolicyId>): Plan & { compiled: Compiled } {
    if (this.#isOfCluster) return this.#options.pipeline.plan(applied, refused);
    const { snapshot } = this;
    const compiled = this.#restoring!.compiler.compile(snapshot, this.#delta(snapshot), refused);
    this.#restoring!.compiled = snapshot;
    const plan = { compiled, ...planStages(compiled.ruleset, applied, compiled.changes) };
    this.#restoredPlans.add(plan);
    return plan;
  }

  probe(applied: Ruleset | undefined, refused: ReadonlySet<PolicyId>): Plan {
    if (this.#isOfCluster) return this.#options.pipeline.probe(applied, refused);
    const { snapshot } = this;
    const { ruleset, changes } = this.#restoring!.compiler.probe(snapshot, this.#delta(snapshot), refused);
    return planStages(ruleset, applied, changes);
  }

  get liveSandboxes(): number {
    return this.#sandboxes.values().reduce((count, { live }) => count + Number(live), 0);
  }

  /** Whether the plan comes from the saved state and not from the current cluster. */
  isRestored(plan: Plan): boolean {
    return this.#restoredPlans.has(plan);
  }

  get #isOfCluster(): boolean {
    const { current } = this;
    invariant(current !== 'kernel', 'nothing may be written yet');
    return current === 'cluster';
  }

  #delta(snapshot: Snapshot): Delta | 'all' {
    const { compiled } = this.#restoring!;
    return compiled ? deltaOfRestored(compiled, snapshot) : 'all';
  }

  #restore(): Snapshot {
    const { saved } = this.#restoring!;
    const restored = restoreSnapshot(saved, this.#sandboxes.values());
    return { ...restored, revision: ++this.#restorations, gatedRanges: this.#options.gatedRanges(saved) };
  }
}
