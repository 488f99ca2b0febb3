import { compareText } from '../lib/sort.ts';
import { canonicalCidrs, containsAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';
import type { GateClaims } from '../model/node-state.ts';
import { CountedSet } from '../lib/counted-set.ts';
import type { AddressClaimant } from '../ownership/local-pod-resolver.ts';

export interface GateOptions {
  readonly gate: boolean;
  /** Set by the operator; empty if not set. */
  readonly podCidrs: readonly string[];
}

/**
 * Limits for claims of other nodes: how many addresses of one node pass the gate, and how many in all. If there are too many, the addresses of
 * the nodes with the most claims do not pass. The kubelet runs 110 pods on a node by default, with two addresses each; one node may have twice that. nft
 * takes about 8 ms to load all that pass (docs/decisions/0014).
 */
const maxOfNode = 512;
const maxPassing = 4096;

/**
 * Chooses the gated ranges from the first source that names any: the operator, the Node object, the CNI network configuration. Some CNI
 * plugins assign addresses outside of the Node's ranges. A gate on the Node's ranges would then cut off pods of other nodes.
 *
 * - A sandbox of this node with an address outside of the Node's ranges proves that. Then the Node's ranges are not gated.
 * - A pod of another node with an address inside proves nothing: anyone who may write its status can claim any address. Only that address
 *   passes the gate. No such address passes if this node's CNI network configuration names the range too.
 */
export class GatedRanges {
  readonly #nodeName: string;
  readonly #isNode: (name: string) => boolean;
  readonly #note: () => void;
  readonly #gate: boolean;
  readonly #named: readonly string[];
  #ofNode: readonly string[] = [];
  #parsed: readonly AddressRange[] = [];
  #learned: readonly string[] = [];
  /** Number of addresses of local sandboxes outside of the own Node's ranges. */
  #contradictions = 0;
  /** By other node, the addresses in the own Node's ranges that its pods claim. */
  readonly #claimed = new Map<string, CountedSet<string>>();
  #claims: readonly GateClaims[] | undefined;
  #current: readonly string[] = [];

  /**
   * @param isNode whether a Node of the name exists; call `nodesChanged` when the answer may change
   * @param note is called whenever `current` changes
   */
  constructor(nodeName: string, { gate, podCidrs }: GateOptions, isNode: (name: string) => boolean, note: () => void) {
    this.#nodeName = nodeName;
    this.#note = note;
    this.#isNode = isNode;
    this.#gate = gate;
    this.#named = podCidrs;
    this.#choose();
  }

  /** @param claimants all pods of the cluster that can own addresses */
  setOfNode(cidrs: readonly string[], claimants: Iterable<AddressClaimant>): void {
    if (cidrs.join() === this.#ofNode.join()) return;
    this.#ofNode = cidrs;
    this.#parsed = cidrs.map((cidr) => parseCidr(cidr)).filter((range) => range !== undefined);
    this.#contradictions = 0;
    this.#claimed.clear();
    for (const claimant of claimants) this.count(claimant, 1);
    this.#choose();
  }

  setLearned(cidrs: readonly string[]): void {
    this.#learned = cidrs;
    this.#choose();
  }

  nodesChanged(): void {
    this.#claims = undefined;
  }

  /** Call it for every pod that is added (1) or removed (-1). A pod without a node does not count yet. */
  count({ pod: { nodeName, addresses }, sandbox }: AddressClaimant, change: 1 | -1): void {
    if (this.#parsed.length === 0 || nodeName === undefined) return;
    for (const address of addresses) this.#count(address, nodeName, sandbox !== undefined, change);
  }

  /** @param isRecorded a sandbox of this node has the address; pod status alone can be forged */
  #count(address: string, nodeName: string, isRecorded: boolean, change: 1 | -1): void {
    const parsed = parseAddress(address);
    const ofFamily = this.#parsed.filter(({ family }) => family === parsed?.family);
    if (!parsed || ofFamily.length === 0) return;
    const isInside = ofFamily.some((range) => containsAddress(range, parsed));
    if (nodeName !== this.#nodeName) {
      if (isInside) this.#claim(nodeName, address, change);
    } else if (!isInside && isRecorded) {
      this.#contradictions += change;
      this.#choose();
    }
  }

  /** Ranges of the Node without a gate, because local sandboxes have addresses outside of them. */
  get disputed(): readonly string[] {
    const counts = this.#gate && this.#named.length === 0;
    return counts && this.#contradictions > 0 ? canonicalCidrs(this.#ofNode) : [];
  }

  /** Other nodes whose pods claim addresses of the gated ranges; the node with the most claims is first. */
  get claims(): readonly GateClaims[] {
    return (this.#claims ??= this.#judgeClaims());
  }

  /** Addresses of the gated ranges that pods of other nodes may use. */
  *passing(): Generator<string> {
    for (const { node, pass } of this.claims) if (pass) yield* this.#claimed.get(node)!.values();
  }

  /** Canonical CIDRs, ascending, without overlaps; empty if there is no gate. */
  get current(): readonly string[] {
    return this.#current;
  }

  #claim(node: string, address: string, change: 1 | -1): void {
    const ofNode = this.#claimed.get(node) ?? new CountedSet();
    if (change === 1) ofNode.add(address);
    else ofNode.remove(address);
    if (ofNode.size > 0) this.#claimed.set(node, ofNode);
    else this.#claimed.delete(node);
    this.#claims = undefined;
  }

  #judgeClaims(): GateClaims[] {
    if (this.#current.length === 0 || this.#named.length > 0 || this.#contradictions > 0) return [];
    // Pods outlive their Node by minutes. Meanwhile this node may have got the deleted Node's ranges.
    const nodes = [...this.#claimed].filter(([name]) => this.#isNode(name));
    const claims = nodes.map(([node, { size }]) => ({ node, addresses: size }));
    claims.sort((a, b) => a.addresses - b.addresses || compareText(a.node, b.node));
    let left = this.#isLearned ? 0 : maxPassing;
    return claims
      .map((claim) => {
        const pass = claim.addresses <= Math.min(left, maxOfNode);
        if (pass) left -= claim.addresses;
        return { ...claim, pass };
      })
      .toReversed();
  }

  /** This node's CNI network configuration contains all ranges of its Node. */
  get #isLearned(): boolean {
    return canonicalCidrs([...this.#learned, ...this.#ofNode]).join() === canonicalCidrs(this.#learned).join();
  }

  #choose(): void {
    const ofNode = this.#contradictions > 0 ? [] : this.#ofNode;
    const chosen = [this.#named, ofNode, this.#learned].find((cidrs) => cidrs.length > 0) ?? [];
    const current = this.#gate ? canonicalCidrs(chosen) : [];
    const isSame = current.join() === this.#current.join();
    this.#current = current;
    if (!isSame) this.#note();
    this.#claims = undefined;
  }
}
