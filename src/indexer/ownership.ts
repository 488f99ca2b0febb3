import type { Link, Pod } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';
import { CountedSet } from './counted-set.ts';
import { sizeOfAll } from './table-size.ts';

/** `held`: a sandbox of this node has the address, and it is not the pod's. */
export type Claim = 'owned' | 'lost' | 'contested' | 'held' | 'node';

/** No pod has this key. */
export const noPod: PodKey = '';

/** What this node itself knows of an address. */
export interface LocalWord {
  /** Whose live sandbox has it, or `noPod`: one has it, but no pod may use it. */
  readonly holder: PodKey | undefined;
  readonly link: Link | undefined;
  /** The API server gives it to a pod of this node, but no sandbox does. */
  readonly stale: boolean;
}

interface Claimants {
  readonly pods: Map<PodKey, Pod>;
  /** How many are not terminating: they beat those that are. */
  live: number;
}

const nobody: ReadonlyMap<PodKey, Pod> = new Map();

/** Who owns an address (S1.9-S1.12). Only pods that can own one are told to it: neither hostNetwork nor terminal. */
export class Ownership {
  readonly #isLocal: (pod: Pod) => boolean;
  readonly #claimants = new Map<string, Claimants>();
  /** Of each address the live claimants on this node, and the terminating ones. */
  readonly #local = new Map<string, { live: number; leaving: number }>();
  /** Once for each node that has the address. */
  readonly #nodeAddresses = new CountedSet<string>();
  readonly #words = new Map<string, LocalWord>();

  constructor(isLocal: (pod: Pod) => boolean) {
    this.#isLocal = isLocal;
  }

  add(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      let claimants = this.#claimants.get(address);
      if (!claimants) this.#claimants.set(address, (claimants = { pods: new Map(), live: 0 }));
      claimants.pods.set(key, pod);
      this.#count(address, claimants, pod, 1);
    }
  }

  /** The pod must be the very one that was added. */
  remove(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      const claimants = this.#claimants.get(address);
      if (!claimants?.pods.delete(key)) continue;
      this.#count(address, claimants, pod, -1);
      if (claimants.pods.size === 0) this.#claimants.delete(address);
    }
  }

  addNodeAddress(address: string): void {
    this.#nodeAddresses.add(address);
  }

  removeNodeAddress(address: string): void {
    this.#nodeAddresses.remove(address);
  }

  /** What this node says of the address from now on. */
  tell(address: string, word: LocalWord | undefined): void {
    if (word) this.#words.set(address, word);
    else this.#words.delete(address);
  }

  claimantsOf(address: string): ReadonlyMap<PodKey, Pod> {
    return this.#claimants.get(address)?.pods ?? nobody;
  }

  /** What the pod's claim to the address is worth. */
  judge(key: PodKey, address: string): Claim {
    if (this.#nodeAddresses.has(address)) return 'node';
    const holder = this.#words.get(address)?.holder;
    if (holder !== undefined) return holder === key ? 'owned' : 'held';
    const claimants = this.#claimants.get(address);
    const pod = claimants?.pods.get(key);
    if (!claimants || !pod || (claimants.live > 0 && pod.terminating)) return 'lost';
    return (claimants.live > 0 ? claimants.live : claimants.pods.size) === 1 ? 'owned' : 'contested';
  }

  owned(key: PodKey, pod: Pod): string[] {
    return pod.addresses.filter((address) => this.judge(key, address) === 'owned');
  }

  linkOf(address: string): Link | undefined {
    return this.#words.get(address)?.link;
  }

  /** It is of this node, and no pod may use it (S1.9, S1.14). A node's own is left alone (S1.12), and what another pod has by now. */
  isDenied(address: string): boolean {
    const word = this.#words.get(address);
    if (!word || this.#nodeAddresses.has(address)) return false;
    return word.holder === noPod || (word.holder === undefined && word.stale && !this.#claimants.has(address));
  }

  /** Several pods claim it with equal right, and one of them is on this node. */
  isContestedHere(address: string): boolean {
    const claimants = this.#claimants.get(address);
    if (!claimants || this.#nodeAddresses.has(address)) return false;
    if (this.#words.get(address)?.holder !== undefined) return false;
    const rivals = claimants.live > 0 ? claimants.live : claimants.pods.size;
    const local = this.#local.get(address);
    return rivals > 1 && (local?.[claimants.live > 0 ? 'live' : 'leaving'] ?? 0) > 0;
  }

  /** Equal text as long as no claimant's judgement and link change, however many come and go. */
  stateOf(address: string): string {
    if (this.#nodeAddresses.has(address)) return 'node';
    const word = this.#words.get(address);
    const link = `${word?.link?.device} ${word?.link?.port}`;
    return word?.holder === undefined ? `${link} ${this.#claimState(address)}` : `${link} held ${word.holder}`;
  }

  #claimState(address: string): string {
    const { pods, live } = this.#claimants.get(address) ?? { pods: nobody, live: 0 };
    const tier = live > 0 ? 'live' : 'leaving';
    if ((live > 0 ? live : pods.size) > 1) return `${tier} contested ${this.isContestedHere(address)}`;
    const [owner] = pods.entries().find(([, pod]) => live === 0 || !pod.terminating) ?? [''];
    return `${tier} ${owner}`;
  }

  get size(): number {
    const claims = sizeOfAll(this.#claimants.values().map(({ pods }) => pods));
    return this.#nodeAddresses.size + this.#local.size + this.#words.size + claims;
  }

  #count(address: string, claimants: Claimants, pod: Pod, change: 1 | -1): void {
    if (!pod.terminating) claimants.live += change;
    if (!this.#isLocal(pod)) return;
    const local = this.#local.get(address) ?? { live: 0, leaving: 0 };
    local[pod.terminating ? 'leaving' : 'live'] += change;
    if (local.live + local.leaving > 0) this.#local.set(address, local);
    else this.#local.delete(address);
  }
}
