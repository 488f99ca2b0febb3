import type { LeftOutReason, PolicyVersion, SpecVersion } from '../../model/node-policies.ts';
import { isOfCluster, type PolicyId } from '../../model/policy.ts';
import type { LocalPod, PodKey, Snapshot } from '../../model/snapshot.ts';
import type { ObjectVersion } from '../object-versions.ts';
import type { ClusterPolicies } from './cluster-policies.ts';
import { writeHeld, type HeldReport } from './held-report.ts';

/** The ClusterNetworkPolicies of a plan. */
interface HeldOfCluster {
  readonly versions: ReadonlyMap<string, SpecVersion>;
  /** Names of policies whose rules are left out. */
  readonly leftOut: ReadonlySet<string>;
}

/** What a plan puts into the kernel. */
interface Planned {
  /** The policies that select a pod of this node. */
  readonly versions: ReadonlyMap<PolicyId, PolicyVersion>;
  readonly pods: ReadonlyMap<PodKey, LocalPod>;
}

/** What this node's kernel holds of the cluster's policies. */
export interface Held extends Planned {
  readonly leftOut: ReadonlyMap<PolicyId, LeftOutReason>;
  readonly ofCluster: HeldOfCluster;
}

/** What an apply has left behind. */
export interface AppliedRules {
  readonly refused: ReadonlySet<PolicyId>;
  readonly oversized: Iterable<PolicyId>;
}

export interface HeldPoliciesOptions {
  readonly clusterPolicies: Pick<ClusterPolicies, 'all' | 'changes'>;
  readonly snapshot: () => Pick<Snapshot, 'localPods' | 'policies'>;
  /** The version that the agent has received. */
  readonly versionOf: (id: PolicyId) => ObjectVersion | undefined;
  /** Whether the network namespaces of pods hold what the node does. */
  readonly isSettled: () => boolean;
}

const nothing: Planned & { readonly ofCluster: HeldOfCluster['versions'] } = {
  versions: new Map(),
  pods: new Map(),
  ofCluster: new Map(),
};

/** What of the policies this node's kernel holds. It follows the reconciler at next to no cost. */
export class HeldPolicies {
  readonly #options: HeldPoliciesOptions;
  #planned = nothing;
  #plannedOf: string | undefined;
  #changes = 0;
  #applied: Held | undefined;
  #settled: Held | undefined;
  #written: { readonly held: HeldOfCluster; readonly report: HeldReport } | undefined;

  constructor(options: HeldPoliciesOptions) {
    this.#options = options;
  }

  /**
   * To be called when a plan begins: newer objects arrive while the agent applies it.
   * @param state equal to that of the last call if neither the Snapshot nor any version of a policy has changed since
   */
  planned(state: string): void {
    if (state === this.#plannedOf) return;
    this.#plannedOf = state;
    const { clusterPolicies, snapshot, versionOf } = this.#options;
    const { localPods, policies } = snapshot();
    const versions = new Map<PolicyId, PolicyVersion>();
    for (const id of policies.keys()) {
      const version = versionOf(id);
      if (version) versions.set(id, isOfCluster(id) ? specOf(version) : version);
    }
    let { ofCluster } = this.#planned;
    if (this.#changes !== clusterPolicies.changes) {
      this.#changes = clusterPolicies.changes;
      ofCluster = new Map(Array.from(clusterPolicies.all, ([name, version]) => [name, specOf(version)]));
    }
    this.#planned = { versions, pods: new Map(localPods), ofCluster };
  }

  /** To be called when the kernel holds the last plan. */
  applied({ refused, oversized }: AppliedRules): void {
    const leftOut = new Map<PolicyId, LeftOutReason>();
    for (const id of oversized) leftOut.set(id, 'too-large');
    for (const id of refused) leftOut.set(id, 'refused-by-kernel');
    const { versions, pods, ofCluster } = this.#planned;
    this.#applied = { versions, pods, leftOut, ofCluster: this.#applyOfCluster(ofCluster, leftOut) };
  }

  /** The same object if nothing has changed, so that the report is not made anew. */
  #applyOfCluster(versions: HeldOfCluster['versions'], all: Held['leftOut']): HeldOfCluster {
    const leftOut = new Set<string>();
    for (const id of all.keys()) if (isOfCluster(id)) leftOut.add(id.slice(1));
    const known = this.#applied?.ofCluster;
    const isKnown = known?.versions === versions && known.leftOut.symmetricDifference(leftOut).size === 0;
    return isKnown ? known : { versions, leftOut };
  }

  /** `undefined` until the kernel holds the policies of the cluster. */
  get held(): Held | undefined {
    if (this.#options.isSettled()) this.#settled = this.#applied;
    return this.#settled;
  }

  /** What the elected agent needs to know; `undefined` as `held` is. */
  get report(): HeldReport | undefined {
    const held = this.held?.ofCluster;
    if (!held) return undefined;
    if (this.#written?.held !== held) this.#written = { held, report: writeHeld(held.versions, held.leftOut) };
    return this.#written.report;
  }
}

function specOf({ uid, generation }: SpecVersion): SpecVersion {
  return { uid, generation };
}
