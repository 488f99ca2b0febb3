import type { Guard } from './compile/assemble.ts';
import type { PodPermissions } from './compile/base-chains.ts';
import type { Budgets } from './compile/budgets.ts';
import type { ShapeLimits } from './compile/shape-limits.ts';
import { Compiler, type Compiled } from './compile/compile.ts';
import type { FillBudgets } from './indexer/admission.ts';
import { Indexer } from './indexer/indexer.ts';
import type { NodeFact, ResourceEvent, Sandbox } from './model/cluster.ts';
import type { GateClaims } from './model/node-state.ts';
import type { Owners } from './model/owner.ts';
import type { PolicyId } from './model/policy.ts';
import type { LocalPod, Snapshot } from './model/snapshot.ts';
import type { Ruleset } from './nftables/ruleset.ts';
import { planStages, type Plan, type PlanOptions } from './plan/plan.ts';

export interface PipelineOptions {
  readonly limits?: ShapeLimits;
  /** Limits for what policies cost the node (S9.13). */
  readonly budgets?: Budgets;
  /** Limits for filling groups with members. */
  readonly fillBudgets?: FillBudgets;
  /** In this node's pod ranges, only addresses of local pods may send and receive (S7.5). Default: on. */
  readonly gate?: boolean;
  /** Pod ranges of this node; they override those of the Node object and of the CNI network configuration. */
  readonly podCidrs?: readonly string[];
  /** A pod may send from its own addresses only (S1.15). Default: on. */
  readonly guard?: Guard;
  /** What the operator allows pods to do in addition (S1.18). Default: nothing. */
  readonly allowed?: PodPermissions;
  /** Packets of flows that have passed the rules skip them, until a change may deny them. Default: off. */
  readonly fastPath?: boolean;
}

/** The last plan without refused policies. Once the kernel holds its result, nothing is left to do until the Snapshot changes. */
type LastPlan = Pick<Plan, 'result'> & { readonly compiled: Compiled };

/**
 * The whole data flow, without I/O, and each way in which output becomes input again:
 *
 *     watch ──────ResourceEvent──► indexer ──Snapshot, Delta──► compile ───────Ruleset──────► plan ──Stages──► apply
 *     sandboxes ──NodeFact──────►  │ ▲  ▲     (this node's)      │  ▲      (nftables)         ▲ │   (make, switch, break, delete)
 *                                  │ │  └─ drain ──────────────┘  │                           └─┘ result: what the kernel
 *                                  ▼ │   (compiled: a new Delta)  └── refused ◄── what nft refuses    holds then
 *                          (1) to (4) below
 *
 * 1. `cniCacheComplete` ──► fact `cache-complete`: a sandbox of a known pod shows that the runtime records all sandboxes (`agent/event-dispatcher.ts`).
 * 2. `unknownSandboxes` ──► fact `fetched`: the agent asks the API server for their pods (`agent/pod-fetcher.ts`).
 * 3. `snapshot.localPods` ──► fact `unflushed`: addresses that passed to another pod too early (`agent/connection-flusher.ts`).
 * 4. `snapshot.localPods` ──► fact `links`: the agent looks for devices that no sandbox names (`agent/link-watch.ts`).
 *
 * The agent also finds policies that the kernel refuses, by `probe`, and leaves them out (`agent/refusals.ts`).
 *
 * Until the first lists are complete, a second Pipeline may take its place: it receives the saved state as events (`state/replay.ts`), and the sandboxes
 * as they are now (`agent/plan-source.ts`). `ownership/` decides in both which pod owns an address.
 *
 * The desired ruleset depends on the current objects and facts alone, never on their order (S7.1).
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
      fastPath = false,
    }: PipelineOptions = {},
  ) {
    this.#indexer = new Indexer(nodeName, { gate, podCidrs }, fillBudgets);
    this.#compiler = new Compiler({
      guard,
      allowed,
      fastPath,
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

  /** All first lists are complete. Unlike `snapshot`, this is cheap. */
  get inSync(): boolean {
    return this.#indexer.inSync;
  }

  /** Whether the API server has a Node object for this node. */
  get knowsNode(): boolean {
    return this.#indexer.knowsNode;
  }

  /** Live sandboxes whose pod neither the watch nor a `fetched` fact has delivered. They are denied until then (S1.14). */
  get unknownSandboxes(): readonly Sandbox[] {
    return this.#indexer.unknownSandboxes;
  }

  /** Local pods with an address whose link is unknown. The guard does not cover such an address. */
  get unlinked(): readonly LocalPod[] {
    return this.#indexer.unlinked;
  }

  /** Pod ranges of the own Node that are not gated, because a sandbox of this node has an address outside of them. */
  get disputedRanges(): readonly string[] {
    return this.#indexer.disputedRanges;
  }

  /** Other nodes whose pods claim addresses of the gated ranges. */
  get gateClaims(): readonly GateClaims[] {
    return this.#indexer.gateClaims;
  }

  /** The agent can read the CNI result cache, and it is complete: a local pod that is not in it has no address. */
  get cniCacheComplete(): boolean {
    return this.#indexer.cniCacheComplete;
  }

  /** The owners of the address, by what this node knows. */
  ownersOf(address: string): Owners {
    return this.#indexer.ownersOf(address);
  }

  get issues(): Indexer['issues'] {
    return this.#indexer.issues;
  }

  /** Number of objects that the indexer visited. Tests count visits instead of time. */
  get visits(): Indexer['visits'] {
    return this.#indexer.visits;
  }

  /** Compiles ahead of the next `plan`, while the caller waits for the kernel's content. */
  prepare(): void {
    this.#prepared = this.#compile(new Set());
  }

  /**
   * Plans the change from the kernel's content (`applied`) to the desired ruleset. `applied` is `undefined` if there is no table. Policies in `refused`
   * isolate and allow nothing (S9.10).
   */
  plan(
    applied: Ruleset | undefined,
    refused: ReadonlySet<PolicyId> = new Set(),
    options: PlanOptions = {},
  ): Plan & { compiled: Compiled } {
    const snapshot = this.#indexer.snapshot();
    const last = this.#last;
    // Most events of a cluster change nothing on this node.
    const isPlanned = last?.compiled.revision === snapshot.revision && last.result === applied;
    if (isPlanned && refused.size === 0 && options.areFlowsDoubtful !== true) {
      return { ...last, stages: [] };
    }
    const prepared = refused.size === 0 && this.#prepared?.revision === snapshot.revision ? this.#prepared : undefined;
    this.#prepared = undefined;
    const compiled = prepared ?? this.#compile(refused);
    const plan = { compiled, ...planStages(compiled.ruleset, applied, options) };
    const again = { ...compiled, counts: { ...compiled.counts, visitedClasses: 0, builtClasses: 0 } };
    this.#last = refused.size === 0 ? { compiled: again, result: plan.result } : undefined;
    return plan;
  }

  /** Like `plan`, without effect on later plans. The agent uses it to find the policies that the kernel refuses. */
  probe(applied: Ruleset | undefined, refused: ReadonlySet<PolicyId>): Plan {
    const { ruleset } = this.#compiler.probe(this.#indexer.snapshot(), this.#indexer.delta, refused);
    return planStages(ruleset, applied);
  }

  #compile(refused: ReadonlySet<PolicyId>): Compiled {
    return this.#indexer.drain((snapshot, delta) => this.#compiler.compile(snapshot, delta, refused));
  }
}
