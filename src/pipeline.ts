import type { ShapeLimits } from './compile/class-shape.ts';
import { Compiler, type Compiled } from './compile/compile.ts';
import { Indexer } from './indexer/indexer.ts';
import type { ResourceEvent } from './model/cluster.ts';
import type { PolicyId } from './model/policy.ts';
import type { Snapshot } from './model/snapshot.ts';
import type { Ruleset } from './nftables/ruleset.ts';
import { planStages, type Plan } from './plan/plan.ts';

/**
 * The whole flow, without I/O:
 *
 *     watch ──ResourceEvent──► indexer ──Snapshot──► compile ──Ruleset──► plan ──Stages──► apply
 *             (what changed)            (this node's)          (nftables)        (make, switch, break)
 *
 * What the kernel should hold depends on the current objects alone, never on the order in which they came (S7.1).
 */
export class Pipeline {
  readonly #indexer: Indexer;
  readonly #compiler: Compiler;

  constructor(nodeName: string, limits?: ShapeLimits) {
    this.#indexer = new Indexer(nodeName);
    this.#compiler = new Compiler(limits);
  }

  receive(event: ResourceEvent): void {
    this.#indexer.receive(event);
  }

  get snapshot(): Snapshot {
    return this.#indexer.snapshot();
  }

  /** Whether the node that this is for is one of the cluster's. */
  get knowsNode(): boolean {
    return this.#indexer.knowsNode;
  }

  get issues(): Indexer['issues'] {
    return this.#indexer.issues;
  }

  /** How many objects the indexer has looked at: what tests count instead of time. */
  get visits(): Indexer['visits'] {
    return this.#indexer.visits;
  }

  /**
   * The way from what the kernel holds to what it should hold now. `applied` is `undefined` where there is no table;
   * the allows of `refused` policies are left out (S9.10).
   */
  plan(applied: Ruleset | undefined, refused?: ReadonlySet<PolicyId>): Plan & { compiled: Compiled } {
    const compiled = this.#compiler.compile(this.#indexer.snapshot(), refused);
    return { compiled, ...planStages(compiled.ruleset, applied) };
  }
}
