import type { PolicyId } from '../../model/policy.ts';
import type { ClusterPolicies, SpecVersion } from './cluster-policies.ts';
import { writeHeld, type HeldReport } from './held-report.ts';

interface Held {
  readonly versions: ReadonlyMap<string, SpecVersion>;
  /** Names of policies whose rules are left out. */
  readonly leftOut: ReadonlySet<string>;
}

const nothing: ReadonlyMap<string, SpecVersion> = new Map();

/** What of the ClusterNetworkPolicies this node's kernel holds. It follows the reconciler at next to no cost. */
export class HeldPolicies {
  readonly #policies: ClusterPolicies;
  readonly #isSettled: () => boolean;
  #planned: ReadonlyMap<string, SpecVersion> = nothing;
  #plannedAt = 0;
  #applied: Held | undefined;
  #settled: Held | undefined;
  #written: { readonly held: Held; readonly report: HeldReport } | undefined;

  /** @param isSettled whether the network namespaces of pods hold what the node does */
  constructor(policies: ClusterPolicies, isSettled: () => boolean) {
    this.#policies = policies;
    this.#isSettled = isSettled;
  }

  /** To be called when a plan begins: newer objects arrive while the agent applies it. */
  planned(): void {
    if (this.#plannedAt === this.#policies.changes) return;
    this.#plannedAt = this.#policies.changes;
    this.#planned = new Map(
      Array.from(this.#policies.all, ([name, { uid, generation }]) => [name, { uid, generation }]),
    );
  }

  /** To be called when the kernel holds the last plan, without the rules of these policies. */
  applied(...leftOut: readonly Iterable<PolicyId>[]): void {
    const names = new Set<string>();
    for (const ids of leftOut) for (const id of ids) if (id.startsWith('/')) names.add(id.slice(1));
    const known = this.#applied;
    if (known?.versions === this.#planned && known.leftOut.symmetricDifference(names).size === 0) return;
    this.#applied = { versions: this.#planned, leftOut: names };
  }

  /** `undefined` until the kernel holds the policies of the cluster. */
  get report(): HeldReport | undefined {
    if (this.#isSettled()) this.#settled = this.#applied;
    const held = this.#settled;
    if (!held) return undefined;
    if (this.#written?.held !== held) this.#written = { held, report: writeHeld(held.versions, held.leftOut) };
    return this.#written.report;
  }
}
