import type { Owners } from '../../model/owner.ts';
import type { Policy, PolicyId } from '../../model/policy.ts';
import type { LocalPod, Snapshot } from '../../model/snapshot.ts';

interface Remembered {
  readonly pod: LocalPod;
  readonly owners: Owners;
  /** Set by the first plan without it, with the policies of the plan before. */
  gone?: { readonly at: number; readonly policies: ReadonlyMap<PolicyId, Policy> };
}

/** The kernel keeps a record for a minute, and the agent looks every five seconds. */
const keptMs = 70_000;

/**
 * The owners of addresses. A pod of this node that has gone owns its addresses for a minute more, until others do: the agent reads the records of its last connections after
 * it has gone.
 */
export class RecentOwners {
  readonly #ownersOf: (address: string) => Owners;
  readonly #now: () => number;
  readonly #remembered = new Map<string, Remembered>();
  /** As of the last plan: a Snapshot has policies only for as long as they select a pod of this node. */
  #policies: ReadonlyMap<PolicyId, Policy> = new Map();
  #revision = -1;

  /** @param now milliseconds of a monotonic clock */
  constructor(ownersOf: (address: string) => Owners, now: () => number) {
    this.#ownersOf = ownersOf;
    this.#now = now;
  }

  /** To be called with each plan: no rule records packets of a pod that was in none. */
  remember({ revision, localPods, policies }: Pick<Snapshot, 'revision' | 'localPods' | 'policies'>): void {
    if (revision === this.#revision) return;
    this.#revision = revision;
    const now = this.#now();
    const present = new Set<string>();
    for (const pod of localPods.values()) {
      for (const address of pod.addresses) {
        present.add(address);
        if (this.#remembered.get(address)?.pod === pod) continue;
        const { pods, nodes } = this.#ownersOf(address);
        // The list of the Snapshot stays as it is when the pod goes.
        const owners = { pods: pods.map((each) => ({ ...each, policies: pod.policies })), nodes };
        if (pods.length === 1) this.#remembered.set(address, { pod, owners });
      }
    }
    for (const [address, each] of this.#remembered) {
      if (present.has(address)) delete each.gone;
      else if (now - (each.gone ??= { at: now, policies: this.#policies }).at > keptMs)
        this.#remembered.delete(address);
    }
    this.#policies = new Map(policies);
  }

  /** The policies of a Snapshot, and those that pods had which have gone. */
  policies(current: Snapshot['policies']): Snapshot['policies'] {
    const ofGone = [...this.#remembered.values()].flatMap(({ pod, gone }) =>
      pod.policies.flatMap((id) => {
        const policy = gone?.policies.get(id);
        return policy ? [[id, policy] as const] : [];
      }),
    );
    return ofGone.length === 0 ? current : new Map([...ofGone, ...current]);
  }

  of(address: string): Owners {
    const current = this.#ownersOf(address);
    if (current.pods.length > 0 || current.nodes.length > 0) return current;
    const { owners, gone } = this.#remembered.get(address) ?? {};
    return owners && (gone === undefined || this.#now() - gone.at <= keptMs) ? owners : current;
  }
}
