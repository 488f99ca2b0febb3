import type { Link, Pod } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';
import { Claimants } from './claimants.ts';
import { CountedSet } from '../lib/counted-set.ts';
import { sizeOfAll } from '../lib/table-size.ts';

/** `held`: the sandbox of another pod, or of an unknown pod, has the address on this node. */
export type Claim = 'owned' | 'lost' | 'contested' | 'held' | 'node';

/** A key that no pod has. */
export const noPod: PodKey = '';

/** What this node itself knows about an address. */
export interface LocalAddressState {
  /** The pod whose live sandbox has the address; `noPod` if a sandbox has it but no pod may use it. */
  readonly holder: PodKey | undefined;
  readonly link: Link | undefined;
  /** The API server reports it for a local pod whose sandbox does not have it. */
  readonly stale: boolean;
}

/** Equal states mean: the result of `judge` for each claimant, the link, and the issues are the same. */
interface ClaimState {
  readonly link: Link | undefined;
  readonly tier: 'node' | 'held' | 'live' | 'leaving';
  /** `undefined` if several pods have equal claims. */
  readonly owner: PodKey | undefined;
  readonly isContestedHere: boolean;
  readonly isClaimedByOtherNode: boolean;
}

const noClaimants = new Claimants();

/** Decides who owns an address (S1.9-S1.12). Callers add only pods that can own one: neither hostNetwork nor terminal. */
export class Ownership {
  readonly #isLocal: (pod: Pod) => boolean;
  readonly #claimants = new Map<string, Claimants>();
  /** By address, the number of local claimants: `leaving` ones are terminating. */
  readonly #local = new Map<string, { live: number; leaving: number }>();
  /** Count each address once per node that has it. */
  readonly #ofOwnNode = new CountedSet<string>();
  readonly #ofOtherNodes = new CountedSet<string>();
  readonly #localStates = new Map<string, LocalAddressState>();

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

  /** `pod` must be the object that was added. */
  remove(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) {
      const claimants = this.#claimants.get(address);
      if (!claimants?.delete(key)) continue;
      this.#count(address, claimants, pod, -1);
      if (claimants.size === 0) this.#claimants.delete(address);
    }
  }

  /** Replaces the object of a pod whose claims are the same. */
  replace(key: PodKey, pod: Pod): void {
    for (const address of pod.addresses) this.#claimants.get(address)?.replace(key, pod);
  }

  addNodeAddress(address: string, isOwnNode: boolean): void {
    (isOwnNode ? this.#ofOwnNode : this.#ofOtherNodes).add(address);
  }

  removeNodeAddress(address: string, isOwnNode: boolean): void {
    (isOwnNode ? this.#ofOwnNode : this.#ofOtherNodes).remove(address);
  }

  setLocalState(address: string, state: LocalAddressState | undefined): void {
    if (state) this.#localStates.set(address, state);
    else this.#localStates.delete(address);
  }

  claimantsOf(address: string): Iterable<readonly [PodKey, Pod]> {
    return this.#claimants.get(address) ?? noClaimants;
  }

  /** Judges the pod's claim to the address. */
  judge(key: PodKey, address: string): Claim {
    if (this.isOfNode(address)) return 'node';
    const holder = this.#localStates.get(address)?.holder;
    if (holder !== undefined) return holder === key ? 'owned' : 'held';
    const claimants = this.#claimants.get(address);
    const pod = claimants?.get(key);
    if (!claimants || !pod || (claimants.live > 0 && pod.terminating)) return 'lost';
    return (claimants.live > 0 ? claimants.live : claimants.size) === 1 ? 'owned' : 'contested';
  }

  owned(key: PodKey, { addresses }: Pod): readonly string[] {
    const owned = addresses.filter((address) => this.judge(key, address) === 'owned');
    // Saves memory: nearly always the pod owns all its addresses, so the pod and its groups share one array.
    return owned.length === addresses.length ? addresses : owned;
  }

  linkOf(address: string): Link | undefined {
    return this.#localStates.get(address)?.link;
  }

  /** Whether it is an address of a node (S1.12). What another Node object claims counts only if no sandbox of this node has the address (S1.9). */
  isOfNode(address: string): boolean {
    return this.#ofOwnNode.has(address) || (this.#ofOtherNodes.has(address) && !this.#isHeld(address));
  }

  /** Whether a Node object has the address, rightly or not. */
  isClaimedByNode(address: string): boolean {
    return this.#ofOwnNode.has(address) || this.#ofOtherNodes.has(address);
  }

  /** A sandbox of this node has the address, and another Node object claims it. */
  isClaimedByOtherNode(address: string): boolean {
    return this.#ofOtherNodes.has(address) && !this.isOfNode(address);
  }

  /**
   * A local address that no pod may use (S1.9, S1.14). Addresses of nodes (S1.12) are not denied, nor are stale addresses that another pod claims.
   */
  isDenied(address: string): boolean {
    const state = this.#localStates.get(address);
    if (!state || this.isOfNode(address)) return false;
    return state.holder === noPod || (state.holder === undefined && state.stale && !this.#claimants.has(address));
  }

  /** Only pods of other nodes claim the address, and this node knows nothing about it. */
  isElsewhere(address: string): boolean {
    const isHere = this.#localStates.has(address) || this.#local.has(address) || this.isOfNode(address);
    return !isHere && this.#claimants.has(address);
  }

  /** The claimants that own the address or have equal claims to it. */
  rightful(address: string): (readonly [PodKey, Pod])[] {
    return [...this.claimantsOf(address)].filter(([key]) => {
      const claim = this.judge(key, address);
      return claim === 'owned' || claim === 'contested';
    });
  }

  /** Several pods have equal claims. */
  isContested(address: string): boolean {
    if (this.isOfNode(address) || this.#isHeld(address)) return false;
    const claimants = this.#claimants.get(address);
    return claimants !== undefined && (claimants.live > 0 ? claimants.live : claimants.size) > 1;
  }

  /** All addresses to which several pods have equal claims. The cost is that of all claims. */
  contested(): Iterable<string> {
    return this.#claimants.keys().filter((address) => this.isContested(address));
  }

  /** Several pods have equal claims, and one of them is local. */
  isContestedHere(address: string): boolean {
    if (!this.isContested(address)) return false;
    const { live } = this.#claimants.get(address)!;
    return (this.#local.get(address)?.[live > 0 ? 'live' : 'leaving'] ?? 0) > 0;
  }

  /** Call it before changes. The returned function, called afterwards, lists the claimants of addresses whose claims are judged differently. */
  watch(addresses: Iterable<string>): () => Iterable<readonly [PodKey, Pod]> {
    const before = Array.from(addresses, (address) => [address, this.#stateOf(address)] as const);
    return () => {
      const changed = before.filter(([address, state]) => !isSameState(this.#stateOf(address), state));
      return changed.flatMap(([address]) => [...this.claimantsOf(address)]);
    };
  }

  #stateOf(address: string): ClaimState {
    const local = this.#localStates.get(address);
    const state = {
      link: local?.link,
      isContestedHere: false,
      isClaimedByOtherNode: this.isClaimedByOtherNode(address),
    };
    if (this.isOfNode(address)) return { ...state, link: undefined, tier: 'node', owner: noPod };
    if (local?.holder !== undefined) return { ...state, tier: 'held', owner: local.holder };
    const claimants = this.#claimants.get(address) ?? noClaimants;
    const tier = claimants.live > 0 ? 'live' : 'leaving';
    if ((claimants.live > 0 ? claimants.live : claimants.size) > 1) {
      return { ...state, tier, owner: undefined, isContestedHere: this.isContestedHere(address) };
    }
    return { ...state, tier, owner: ownerOf(claimants) };
  }

  get size(): number {
    const claims = sizeOfAll(this.#claimants.values());
    return this.#ofOwnNode.size + this.#ofOtherNodes.size + this.#local.size + this.#localStates.size + claims;
  }

  #isHeld(address: string): boolean {
    return this.#localStates.get(address)?.holder !== undefined;
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
  if (a.isClaimedByOtherNode !== b.isClaimedByOtherNode) return false;
  return a.link?.device === b.link?.device && a.link?.port === b.link?.port && a.link?.mac === b.link?.mac;
}

/** The owner of an address that is not contested; `noPod` if nobody claims it. */
function ownerOf(claimants: Claimants): PodKey {
  for (const [key, pod] of claimants) if (claimants.live === 0 || !pod.terminating) return key;
  return noPod;
}
