import type { JsonObject } from '../../lib/json.ts';
import type { ObjectKey, ResourceEvent } from '../../model/cluster.ts';
import type { Issue } from '../../model/issue.ts';
import type { SpecVersion } from '../../model/node-policies.ts';
import type { Policy } from '../../model/policy.ts';

/** A ClusterNetworkPolicy as the agent knows it. */
export interface ClusterPolicy extends SpecVersion {
  readonly name: string;
  readonly resourceVersion: string;
  readonly policy: Policy;
  readonly issues: readonly Issue[];
  /** `status.conditions`, unchecked: other programs may write there too. `undefined` if they are too many to keep: then the agent does not write the status. */
  readonly conditions: readonly JsonObject[] | undefined;
}

/** The ClusterNetworkPolicies that the watch has delivered, with what their status says. */
export class ClusterPolicies {
  readonly #all = new Map<ObjectKey, ClusterPolicy>();
  #changes = 0;
  #collection: string | undefined;

  receive(event: ResourceEvent): void {
    if (event.resource !== 'clusternetworkpolicies' || event.op === 'synced') return;
    const known = this.#all.get(event.key);
    if (event.op === 'remove') {
      if (this.#all.delete(event.key)) this.#changes++;
      return;
    }
    const { key: name, uid, resourceVersion, generation, value, issues, conditions } = event;
    if (value.kind !== 'Policy') return;
    if (known?.uid !== uid || known.generation !== generation) this.#changes++;
    this.#all.set(name, { name, uid, resourceVersion, generation, policy: value, issues, conditions });
  }

  /** The agent has written the status, before the watch delivers that version. */
  wrote(policy: ClusterPolicy, resourceVersion: string, conditions: readonly JsonObject[]): void {
    if (this.#all.get(policy.name) === policy) this.#all.set(policy.name, { ...policy, resourceVersion, conditions });
  }

  /** @param path of the collection; `undefined` if the API server does not serve it */
  served(path: string | undefined): void {
    this.#collection = path;
  }

  get collection(): string | undefined {
    return this.#collection;
  }

  get all(): ReadonlyMap<ObjectKey, ClusterPolicy> {
    return this.#all;
  }

  /** Grows when a policy comes, goes or gets another spec. */
  get changes(): number {
    return this.#changes;
  }
}
