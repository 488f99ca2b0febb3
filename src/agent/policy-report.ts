import type { Policy, PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { PolicyFigures, PolicyMetrics } from '../telemetry/metrics/policies.ts';
import type { ObjectVersion } from './object-versions.ts';

interface Options {
  /** The maximum number of policies with metrics. Each has three series on every node. */
  readonly limit: number;
  readonly metrics: PolicyMetrics;
  readonly snapshot: () => Snapshot;
  readonly versionOf: (id: PolicyId) => ObjectVersion | undefined;
}

/** What metrics show of a policy in force. */
interface Version {
  readonly tier: Policy['tier'];
  readonly generation: number;
}

/** Maintains per-policy metrics. Policies get them in the order of arrival, up to the limit. */
export class PolicyReporter {
  readonly #options: Options;
  /** With the tier that their series have. */
  readonly #shown = new Map<PolicyId, Policy['tier']>();
  #state: string | undefined;
  #planned: ReadonlyMap<PolicyId, Version> = new Map();
  /** The result of `#planned` with the refused policies. */
  #enforced: ReadonlyMap<PolicyId, Version> = new Map();
  #applied: { readonly planned: ReadonlyMap<PolicyId, Version>; readonly refused: number } | undefined;

  constructor(options: Options) {
    this.#options = options;
    options.metrics.figures(() => this.#figures());
  }

  /**
   * To be called when a plan begins, because newer objects arrive while the agent applies it.
   * @param state equal to that of the last call if neither the Snapshot nor any version of a policy has changed since. Then the call costs nothing.
   */
  planned(state: string): void {
    if (state === this.#state) return;
    this.#state = state;
    const { versionOf, metrics, limit, snapshot } = this.#options;
    const { policies } = snapshot();
    // A policy that currently selects no pod of this node keeps its counters if there is room.
    const idle = [...this.#shown.keys()].filter((id) => !policies.has(id));
    const isTight = policies.size + idle.length > limit;
    for (const id of idle) if (isTight || !versionOf(id)) this.#forget(id);
    for (const [id, tier] of this.#shown) if ((policies.get(id)?.tier ?? tier) !== tier) this.#forget(id);
    if (this.#shown.size < limit) {
      for (const [id, { tier }] of policies) {
        if (this.#shown.size >= limit) break;
        if (this.#shown.has(id)) continue;
        this.#shown.set(id, tier);
        metrics.denied(nameOf(id, tier), 0);
      }
    }
    const inForce = [...this.#shown].filter(([id]) => policies.has(id));
    this.#planned = new Map(inForce.map(([id, tier]) => [id, { tier, generation: versionOf(id)?.generation ?? 0 }]));
  }

  /**
   * To be called when the kernel holds the last plan.
   * @param refused policies whose allow rules the kernel does not hold
   */
  applied(refused: ReadonlySet<PolicyId>): void {
    const [planned, before] = [this.#planned, this.#applied];
    if (planned === before?.planned && refused.size + before.refused === 0) return;
    this.#applied = { planned, refused: refused.size };
    this.#enforced = new Map(
      Array.from(planned, ([id, version]) => [id, refused.has(id) ? { ...version, generation: 0 } : version]),
    );
  }

  denied(ids: readonly PolicyId[], connections: number): void {
    for (const id of ids) {
      const tier = this.#shown.get(id);
      if (tier) this.#options.metrics.denied(nameOf(id, tier), connections);
    }
  }

  #forget(id: PolicyId): void {
    this.#options.metrics.forget(nameOf(id, this.#shown.get(id)!));
    this.#shown.delete(id);
  }

  #figures(): { policies: PolicyFigures[]; left: number } {
    const { localPods, policies } = this.#options.snapshot();
    const pods = new Map<PolicyId, number>();
    for (const pod of localPods.values()) {
      for (const id of pod.policies) if (this.#enforced.has(id)) pods.set(id, (pods.get(id) ?? 0) + 1);
    }
    const figures = Array.from(this.#enforced, ([id, { tier, generation }]) => ({
      ...nameOf(id, tier),
      pods: pods.get(id) ?? 0,
      generation,
    }));
    return { policies: figures, left: Math.max(0, policies.size - this.#enforced.size) };
  }
}

function nameOf(id: PolicyId, tier: Policy['tier']): { tier: Policy['tier']; namespace: string; policy: string } {
  const [namespace, policy] = id.split('/') as [string, string];
  return { tier, namespace, policy };
}
