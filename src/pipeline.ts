import type { Guard } from './compile/assemble.ts';
import type { PodPermissions } from './compile/base-chains.ts';
import type { Budgets } from './compile/budgets.ts';
import type { ShapeLimits } from './compile/class-shape.ts';
import { Compiler, type Compiled } from './compile/compile.ts';
import type { FillBudgets } from './indexer/admission.ts';
import { Indexer } from './indexer/indexer.ts';
import type { NodeFact, ResourceEvent, Sandbox } from './model/cluster.ts';
import type { GateClaims } from './model/node-state.ts';
import type { Owners } from './model/owner.ts';
import type { PolicyId } from './model/policy.ts';
import type { LocalPod, Snapshot } from './model/snapshot.ts';
import { ElementChanges } from './nftables/element-changes.ts';
import type { Ruleset } from './nftables/ruleset.ts';
import { planStages, type Plan } from './plan/plan.ts';

export interface PipelineOptions {
  readonly limits?: ShapeLimits;
  /** What policies may cost the node (S9.13). */
  readonly budgets?: Budgets;
  /** What looking for the members of their groups may cost. */
  readonly fillBudgets?: FillBudgets;
  /** Addresses of this node's ranges that are no local pod's may neither send nor receive (S7.5). On unless told otherwise. */
  readonly gate?: boolean;
  /** The ranges, where neither the Node object nor the runtime is to be asked. */
  readonly podCidrs?: readonly string[];
  /** A pod's port takes its own addresses alone (S1.15). On unless told otherwise. */
  readonly guard?: Guard;
  /** What pods may do that no pod does otherwise (S1.18). Nothing unless told otherwise. */
  readonly allowed?: PodPermissions;
  /** Each class counts its packets. */
  readonly countsClasses?: boolean;
}

/** A plan without refusals: once the kernel holds its result, nothing is to be done until the snapshot changes. */
type LastPlan = Pick<Plan, 'result'> & { readonly compiled: Compiled };

/**
 * The whole flow, without I/O, and all ways on which its output comes back as input:
 *
 *     watch ──────ResourceEvent──► indexer ──Snapshot, Delta──► compile ──Ruleset, changes──► plan ──Stages──► apply
 *     sandboxes ──NodeFact──────►  │ ▲  ▲     (this node's)      │  ▲      (nftables)         ▲ │   (make, switch, break)
 *                                  │ │  └─ drain ──────────────┘  │                           └─┘ result: what the kernel
 *                                  ▼ │   (compiled: a new Delta)  └── refused ◄── what nft refuses    holds then
 *                          (1) to (3) below
 *
 * 1. `kept` ──► fact `kept`: a sandbox of a known pod shows that the runtime keeps a record of all of them (`agent/event-dispatcher.ts`).
 * 2. `unknownSandboxes` ──► fact `fetched`: the agent asks the API server for their pods (`agent/pod-fetcher.ts`).
 * 3. `snapshot.localPods` ──► fact `links`: the agent looks for the devices that no sandbox names (`agent/link-watch.ts`).
 *
 * The agent also leaves out the policies that the kernel refuses (`agent/refusals.ts`), and finds them by `probe`.
 *
 * What the kernel should hold depends on the current objects and facts alone, never on the order in which they came (S7.1).
 */
export class Pipeline {
  readonly #indexer: Indexer;
  readonly #compiler: Compiler;
  #last: LastPlan | undefined;
  #prepared: Compiled | undefined;

  constructor(
    nodeName: string,
    {
      limits,
      budgets,
      fillBudgets,
      gate = true,
      podCidrs = [],
      guard = true,
      allowed = {},
      countsClasses = false,
    }: PipelineOptions = {},
  ) {
    this.#indexer = new Indexer(nodeName, { gate, podCidrs }, fillBudgets);
    this.#compiler = new Compiler({
      guard,
      allowed,
      countsClasses,
      ...(limits && { limits }),
      ...(budgets && { budgets }),
    });
  }

  receive(event: ResourceEvent | NodeFact): void {
    this.#indexer.receive(event);
  }

  get snapshot(): Snapshot {
    return this.#indexer.snapshot();
  }

  /** As the snapshot says, without making one. */
  get inSync(): boolean {
    return this.#indexer.inSync;
  }

  /** Whether the node that this is for is one of the cluster's. */
  get knowsNode(): boolean {
    return this.#indexer.knowsNode;
  }

  /** Live sandboxes of pods that neither the watch nor a `fetched` fact has brought: denied until one does (S1.14). */
  get unknownSandboxes(): readonly Sandbox[] {
    return this.#indexer.unknownSandboxes;
  }

  /** Local pods that have an address of which no link is known: nothing holds them to it. */
  get unlinked(): readonly LocalPod[] {
    return this.#indexer.unlinked;
  }

  /** Pod ranges of the own Node that are not gated: a sandbox of this node has an address outside of them. */
  get disputedRanges(): readonly string[] {
    return this.#indexer.disputedRanges;
  }

  /** Which nodes' pods claim addresses of the gated ranges. */
  get gateClaims(): readonly GateClaims[] {
    return this.#indexer.gateClaims;
  }

  /** The container runtime keeps a record of its sandboxes that can be read, so a pod of this node that is not in it has no address. */
  get kept(): boolean {
    return this.#indexer.kept;
  }

  /** Who has the address, as this node sees it. */
  ownersOf(address: string): Owners {
    return this.#indexer.ownersOf(address);
  }

  get issues(): Indexer['issues'] {
    return this.#indexer.issues;
  }

  /** How many objects the indexer has looked at: what tests count instead of time. */
  get visits(): Indexer['visits'] {
    return this.#indexer.visits;
  }

  /** Compiles what the next plan needs: for who must wait for what the kernel holds. */
  prepare(): void {
    this.#prepared = this.#compile(new Set());
  }

  /**
   * The way from what the kernel holds to what it should hold now. `applied` is `undefined` where there is no table;
   * the allows of `refused` policies are left out (S9.10).
   */
  plan(applied: Ruleset | undefined, refused: ReadonlySet<PolicyId> = new Set()): Plan & { compiled: Compiled } {
    const snapshot = this.#indexer.snapshot();
    const last = this.#last;
    // Most events of a cluster change nothing here.
    if (last?.compiled.revision === snapshot.revision && last.result === applied && refused.size === 0) {
      return { ...last, stages: [] };
    }
    const prepared = refused.size === 0 && this.#prepared?.revision === snapshot.revision ? this.#prepared : undefined;
    this.#prepared = undefined;
    const compiled = prepared ?? this.#compile(refused);
    const plan = { compiled, ...planStages(compiled.ruleset, applied, compiled.changes) };
    // The changes would keep the sets before them.
    const again = { ...compiled, changes: new ElementChanges(), counts: { ...compiled.counts, builtClasses: 0 } };
    this.#last = refused.size === 0 ? { compiled: again, result: plan.result } : undefined;
    return plan;
  }
  /** What would be planned without the allows of other policies: to find those that the kernel does not take. Nothing of it is remembered. */
  probe(applied: Ruleset | undefined, refused: ReadonlySet<PolicyId>): Plan {
    const { ruleset, changes } = this.#compiler.probe(this.#indexer.snapshot(), this.#indexer.delta, refused);
    return planStages(ruleset, applied, changes);
  }

  #compile(refused: ReadonlySet<PolicyId>): Compiled {
    return this.#indexer.drain((snapshot, delta) => this.#compiler.compile(snapshot, delta, refused));
  }
}
