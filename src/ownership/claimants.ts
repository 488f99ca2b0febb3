import type { Pod } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';

/** The pods that claim one address. Nearly every address has one claimant; a Map per address would dominate memory in a large cluster. */
export class Claimants {
  #key: PodKey | undefined;
  #pod: Pod | undefined;
  /** All other claimants. */
  #others: Map<PodKey, Pod> | undefined;
  /** Number of claimants that are not terminating. They win over terminating ones (S1.9). */
  live = 0;

  add(key: PodKey, pod: Pod): void {
    if (this.#key === undefined) [this.#key, this.#pod] = [key, pod];
    else (this.#others ??= new Map()).set(key, pod);
  }

  /** Returns whether the pod was a claimant. */
  delete(key: PodKey): boolean {
    if (this.#key !== key) return this.#others?.delete(key) ?? false;
    const [next] = this.#others ?? [];
    [this.#key, this.#pod] = next ?? [];
    if (next) this.#others!.delete(next[0]);
    return true;
  }

  /** Replaces the object of a claimant. */
  replace(key: PodKey, pod: Pod): void {
    if (this.#key === key) this.#pod = pod;
    else if (this.#others?.has(key)) this.#others.set(key, pod);
  }

  get(key: PodKey): Pod | undefined {
    return this.#key === key ? this.#pod : this.#others?.get(key);
  }

  *[Symbol.iterator](): Generator<readonly [PodKey, Pod]> {
    if (this.#key === undefined) return;
    yield [this.#key, this.#pod!];
    yield* this.#others ?? [];
  }

  get size(): number {
    return (this.#key === undefined ? 0 : 1) + (this.#others?.size ?? 0);
  }
}
