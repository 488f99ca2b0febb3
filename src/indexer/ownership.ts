import type { Pod } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';

export type Claim = 'owned' | 'lost' | 'contested' | 'node';

/** Who owns an address (S1.9-S1.12). Only pods that can own one are told to it: neither hostNetwork nor terminal. */
export class Ownership {
  readonly #claimants = new Map<string, Map<PodKey, Pod>>();
  /** How many nodes have the address. */
  readonly #nodeAddresses = new Map<string, number>();

  add(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      const claimants = this.#claimants.get(address);
      if (claimants) claimants.set(key, pod);
      else this.#claimants.set(address, new Map([[key, pod]]));
    }
  }

  remove(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      const claimants = this.#claimants.get(address);
      if (claimants?.delete(key) && claimants.size === 0) this.#claimants.delete(address);
    }
  }

  addNodeAddress(address: string): void {
    this.#nodeAddresses.set(address, (this.#nodeAddresses.get(address) ?? 0) + 1);
  }

  removeNodeAddress(address: string): void {
    const count = (this.#nodeAddresses.get(address) ?? 0) - 1;
    if (count > 0) this.#nodeAddresses.set(address, count);
    else this.#nodeAddresses.delete(address);
  }

  claimantsOf(address: string): ReadonlyMap<PodKey, Pod> {
    return this.#claimants.get(address) ?? new Map();
  }

  /** What the pod's claim to the address is worth. */
  judge(key: PodKey, address: string): Claim {
    if (this.#nodeAddresses.has(address)) return 'node';
    const claimants = [...this.claimantsOf(address)];
    const live = claimants.filter(([, pod]) => !pod.terminating);
    const best = live.length > 0 ? live : claimants;
    if (!best.some(([each]) => each === key)) return 'lost';
    return best.length === 1 ? 'owned' : 'contested';
  }
}
