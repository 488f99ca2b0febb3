import type { Link, Pod } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';
import { Claimants } from './claimants.ts';
import { CountedSet } from './counted-set.ts';
import { sizeOfAll } from './table-size.ts';

/** `held`: a sandbox of this node has the address, and it is not the pod's. */
export type Claim = 'owned' | 'lost' | 'contested' | 'held' | 'node';

/** No pod has this key. */
export const noPod: PodKey = '';

/** What this node itself knows of an address. */
export interface LocalAddressState {
  /** Whose live sandbox has it, or `noPod`: one has it, but no pod may use it. */
  readonly holder: PodKey | undefined;
  readonly link: Link | undefined;
  /** The API server gives it to a pod of this node, but no sandbox does. */
  readonly stale: boolean;
}

/** Equal for as long as no claimant's judgement and link change, however many come and go. */
interface ClaimState {
  readonly link: Link | undefined;
  readonly tier: 'node' | 'held' | 'live' | 'leaving';
  /** `undefined` where several claim it with equal right. */
  readonly owner: PodKey | undefined;
  readonly isContestedHere: boolean;
}

const nobody = new Claimants();

/** Who owns an address (S1.9-S1.12). Only pods that can own one are told to it: neither hostNetwork nor terminal. */
export class Ownership {
  readonly #isLocal: (pod: Pod) => boolean;
  readonly #claimants = new Map<string, Claimants>();
  /** Of each address the live claimants on this node, and the terminating ones. */
  readonly #local = new Map<string, { live: number; leaving: number }>();
  /** Once for each node that has the address. */
  readonly #nodeAddresses = new CountedSet<string>();
  readonly #words = new Map<string, LocalAddressState>();

  constructor(isLocal: (pod: Pod) => boolean) {
    this.#isLocal = isLocal;
  }

  add(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      let claimants = this.#claimants.get(address);
      if (!claimants) this.#claimants.set(address, (claimants = new Claimants()));
      claimants.add(key, pod);
      this.#count(address, claimants, pod, 1);
    }
  }

  /** The pod must be the very one that was added. */
  remove(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      const claimants = this.#claimants.get(address);
      if (!claimants?.delete(key)) continue;
      this.#count(address, claimants, pod, -1);
      if (claimants.size === 0) this.#claimants.delete(address);
    }
  }

  addNodeAddress(address: string): void {
    this.#nodeAddresses.add(address);
  }

  removeNodeAddress(address: string): void {
    this.#nodeAddresses.remove(address);
  }

  /** What this node says of the address from now on. */
  tell(address: string, word: LocalAddressState | undefined): void {
    if (word) this.#words.set(address, word);
    else this.#words.delete(address);
  }

  claimantsOf(address: string): Iterable<readonly [PodKey, Pod]> {
    return this.#claimants.get(address) ?? nobody;
  }

  /** What the pod's claim to the address is worth. */
  judge(key: PodKey, address: string): Claim {
    if (this.#nodeAddresses.has(address)) return 'node';
    const holder = this.#words.get(address)?.holder;
    if (holder !== undefined) return holder === key ? 'owned' : 'held';
    const claimants = this.#claimants.get(address);
    const pod = claimants?.get(key);
    if (!claimants || !pod || (claimants.live > 0 && pod.terminating)) return 'lost';
    return (claimants.live > 0 ? claimants.live : claimants.size) === 1 ? 'owned' : 'contested';
  }

  owned(key: PodKey, { addresses }: Pod): readonly string[] {
    const owned = addresses.filter((address) => this.judge(key, address) === 'owned');
    // Nearly always all: one array for the pod and the groups that it is in.
    return owned.length === addresses.length ? addresses : owned;
  }

  linkOf(address: string): Link | undefined {
    return this.#words.get(address)?.link;
  }

  isOfNode(address: string): boolean {
    return this.#nodeAddresses.has(address);
  }

  /** It is of this node, and no pod may use it (S1.9, S1.14). A node's own is left alone (S1.12), and what another pod has by now. */
  isDenied(address: string): boolean {
    const word = this.#words.get(address);
    if (!word || this.#nodeAddresses.has(address)) return false;
    return word.holder === noPod || (word.holder === undefined && word.stale && !this.#claimants.has(address));
  }

  /** Pods claim it, none of them is on this node, and nothing here knows the address. */
  isElsewhere(address: string): boolean {
    const isHere = this.#words.has(address) || this.#local.has(address) || this.#nodeAddresses.has(address);
    return !isHere && this.#claimants.has(address);
  }

  /** Several pods claim it with equal right, and one of them is on this node. */
  isContestedHere(address: string): boolean {
    const claimants = this.#claimants.get(address);
    if (!claimants || this.#nodeAddresses.has(address)) return false;
    if (this.#words.get(address)?.holder !== undefined) return false;
    const rivals = claimants.live > 0 ? claimants.live : claimants.size;
    const local = this.#local.get(address);
    return rivals > 1 && (local?.[claimants.live > 0 ? 'live' : 'leaving'] ?? 0) > 0;
  }

  /** Returns what tells, when changes have been made, the claimants of those addresses whose claims are worth something else by then. */
  watch(addresses: Iterable<string>): () => Iterable<readonly [PodKey, Pod]> {
    const before = Array.from(addresses, (address) => [address, this.#stateOf(address)] as const);
    return () => {
      const changed = before.filter(([address, state]) => !isSameState(this.#stateOf(address), state));
      return changed.flatMap(([address]) => [...this.claimantsOf(address)]);
    };
  }

  #stateOf(address: string): ClaimState {
    const word = this.#words.get(address);
    const link = word?.link;
    if (this.#nodeAddresses.has(address))
      return { link: undefined, tier: 'node', owner: noPod, isContestedHere: false };
    if (word?.holder !== undefined) return { link, tier: 'held', owner: word.holder, isContestedHere: false };
    const claimants = this.#claimants.get(address) ?? nobody;
    const tier = claimants.live > 0 ? 'live' : 'leaving';
    if ((claimants.live > 0 ? claimants.live : claimants.size) > 1) {
      return { link, tier, owner: undefined, isContestedHere: this.isContestedHere(address) };
    }
    return { link, tier, owner: ownerOf(claimants), isContestedHere: false };
  }

  get size(): number {
    const claims = sizeOfAll(this.#claimants.values());
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

function isSameState(a: ClaimState, b: ClaimState): boolean {
  if (a.tier !== b.tier || a.owner !== b.owner || a.isContestedHere !== b.isContestedHere) return false;
  return a.link?.device === b.link?.device && a.link?.port === b.link?.port && a.link?.mac === b.link?.mac;
}

/** Of those that are not contested: `noPod` if there are none. */
function ownerOf(claimants: Claimants): PodKey {
  for (const [key, pod] of claimants) if (claimants.live === 0 || !pod.terminating) return key;
  return noPod;
}
