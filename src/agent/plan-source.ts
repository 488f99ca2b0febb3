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
import type { Clock } from './reconciler.ts';

export interface PlanSourceOptions {
  readonly pipeline: Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;
  /** For the saved state; the pipeline has its own. */
  readonly createCompiler: () => Pick<Compiler, 'compile' | 'probe'>;
  /** What this node kept before it started, if it did. Asked when it may count, for of a large cluster it is a second and many megabytes. */
  readonly readSaved: () => Promise<SavedState | undefined>;
  /** Which ranges are gated while the saved state holds. */
  readonly gatedRanges: (saved: SavedState) => readonly string[];
  readonly clock: Clock;
  /** Something that counts now may have to be written. */
  readonly changed: () => void;
}

interface Restoring {
  readonly saved: SavedState;
  readonly compiler: Pick<Compiler, 'compile' | 'probe'>;
  /** What was compiled last. */
  compiled?: Snapshot;
}

/**
 * What the kernel should hold: what the pipeline says once all first lists are in, those of the API server and that of the node's sandboxes;
 * until then what this node has kept (S7.15), or nothing, and then what the kernel holds stays (S7.14).
 */
export class PlanSource implements Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'> {
  readonly #options: PlanSourceOptions;
  /** Until the cluster is known: of a large one, both are megabytes. */
  #restoring: Restoring | undefined;
  readonly #sandboxes = new Map<string, Sandbox>();
  #sandboxesListed = false;
  #opened: { readonly tableFound: boolean; readonly hasWaited: boolean } | undefined;
  /** Both are of the saved state and the sandboxes as they are now. */
  #restored: Snapshot | undefined;
  /** Once true it stays so: what was applied is not left for what is not known yet. */
  #sandboxesRecorded = false;
  #restorations = 0;
  readonly #restoredPlans = new WeakSet<Plan>();

  constructor(options: PlanSourceOptions) {
    this.#options = options;
  }

  /** Told after the pipeline. */
  receive(event: ResourceEvent | NodeFact): void {
    if (event.op === 'sandbox') {
      if (event.value) this.#sandboxes.set(event.id, event.value);
      else this.#sandboxes.delete(event.id);
      this.#restored = undefined;
    }
    // What comes in for a list says nothing of what was kept.
    if (event.op === 'sandbox' || this.current !== 'saved') this.#options.changed();
  }

  /** All sandboxes of the node have been told, or it is known that nobody tells of them. */
  listedSandboxes(): void {
    this.#sandboxesListed = true;
    this.#options.changed();
  }

  /** From now on this agent may write. */
  open(tableFound: boolean): void {
    const { clock, changed } = this.#options;
    this.#opened = { tableFound, hasWaited: false };
    changed();
    if (!tableFound) return void this.#readSaved();
    // The timer is what counts: by the clock it may come a little early, and nobody would ask again.
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
    // Lists do not become unknown again.
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

  /** As the snapshot says. */
  get inSync(): boolean {
    return this.current !== 'kernel';
  }

  /** Not in sync as long as nothing may be written. */
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

  /** Whether the plan is of what this node has kept, and not of the cluster as it is. */
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
