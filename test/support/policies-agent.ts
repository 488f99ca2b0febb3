import { describePolicies } from '../../src/agent/node-policies.ts';
import { ObjectVersions } from '../../src/agent/object-versions.ts';
import { ClusterPolicies } from '../../src/agent/status/cluster-policies.ts';
import { HeldPolicies } from '../../src/agent/status/held-policies.ts';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import type { HeldIssue, NodePolicies } from '../../src/model/node-policies.ts';
import type { StateOfIssue } from '../../src/model/node-state.ts';
import type { PolicyId } from '../../src/model/policy.ts';
import type { PodKey } from '../../src/model/snapshot.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { syncedEvents, upsertOf, type ApiObject } from './pipeline.ts';

/** The parts of an agent that know which policies its kernel holds. The kernel takes a plan when `apply` is called. */
export class PoliciesAgent {
  readonly node: string;
  readonly ready = new Checks([]);
  issues: StateOfIssue[] = [];
  /** Pods that may just be starting. */
  pending = new Map<PodKey, HeldIssue[]>();
  isCertain = true;
  isSettled = true;
  silentSeconds: number | undefined;
  comparedSecondsAgo: Record<string, number> = { ip: 1, ip6: 20, bridge: 3 };
  readonly #pipeline: Pipeline;
  readonly #versions = new ObjectVersions();
  readonly #clusterPolicies = new ClusterPolicies();
  readonly #held: HeldPolicies;
  readonly #refused: ReadonlySet<PolicyId>;

  constructor(node: string, objects: Iterable<ApiObject>, refused: Iterable<PolicyId> = []) {
    this.node = node;
    this.#refused = new Set(refused);
    this.#pipeline = new Pipeline(node);
    this.#held = new HeldPolicies({
      clusterPolicies: this.#clusterPolicies,
      snapshot: () => this.#pipeline.snapshot,
      versionOf: (id) => this.#versions.ofPolicy(id),
      isSettled: () => this.isSettled,
    });
    for (const object of objects) this.receive(upsertOf(object));
    for (const event of syncedEvents()) this.receive(event);
  }

  receive(event: ResourceEvent): void {
    this.#versions.receive(event);
    this.#clusterPolicies.receive(event);
    this.#pipeline.receive(event);
  }

  /** Plans. The returned function makes the kernel hold the plan. */
  plan(): () => void {
    const { networkpolicies, clusternetworkpolicies } = this.#versions.version;
    this.#held.planned([this.#pipeline.snapshot.revision, networkpolicies, clusternetworkpolicies].join(' '));
    const { oversized } = this.#pipeline.plan(undefined, this.#refused).compiled;
    return () => this.#held.applied({ refused: this.#refused, oversized: oversized.keys() });
  }

  apply(): this {
    this.plan()();
    return this;
  }

  get page(): NodePolicies {
    const { node, ready, issues, isCertain, silentSeconds } = this;
    const { comparedSecondsAgo, pending } = this;
    return describePolicies({
      comparedSecondsAgo,
      node,
      version: '1',
      held: this.#held.held,
      isCertain,
      ready,
      issues,
      pending,
      silentSeconds,
    });
  }
}
