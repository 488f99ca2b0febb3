import type { Owners } from '../../model/owner.ts';
import type { Policy, PolicyId } from '../../model/policy.ts';
import type { LocalPod, Snapshot } from '../../model/snapshot.ts';

interface Remembered {
  readonly pod: LocalPod;
  readonly owners: Owners;
  /** When a plan was the first without it. */
  goneAt?: number;
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
  /** The policies that pods had which have gone, each once, and when the last such pod went. */
  readonly #ofGone = new Map<PolicyId, { readonly policy: Policy; readonly at: number }>();
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
      if (present.has(address)) delete each.goneAt;
      else if (each.goneAt === undefined) this.#leave(each, now);
      else if (now - each.goneAt > keptMs) this.#remembered.delete(address);
    }
    for (const [id, { at }] of this.#ofGone) if (now - at > keptMs) this.#ofGone.delete(id);
    this.#policies = new Map(policies);
  }

  /** The policies of a Snapshot, and those that pods had which have gone. */
  policies(current: Snapshot['policies']): Snapshot['policies'] {
    if (this.#ofGone.size === 0) return current;
    return new Map([...Array.from(this.#ofGone, ([id, { policy }]) => [id, policy] as const), ...current]);
  }

  of(address: string): Owners {
    const current = this.#ownersOf(address);
    if (current.pods.length > 0 || current.nodes.length > 0) return current;
    const { owners, goneAt } = this.#remembered.get(address) ?? {};
    return owners && (goneAt === undefined || this.#now() - goneAt <= keptMs) ? owners : current;
  }

  #leave(gone: Remembered, at: number): void {
    gone.goneAt = at;
    for (const id of gone.pod.policies) {
      const policy = this.#policies.get(id);
      if (policy) this.#ofGone.set(id, { policy, at });
    }
  }
}
