import { compareText } from '../lib/sort.ts';
import { canonicalCidrs, containsAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';
import type { GateClaims } from '../model/node-state.ts';
import { CountedSet } from './counted-set.ts';
import type { AddressClaimant } from './local-pod-resolver.ts';

export interface GateOptions {
  readonly gate: boolean;
  /** Named by the operator; empty: nobody did. */
  readonly podCidrs: readonly string[];
}

/**
 * What claims of other nodes may cost: so many addresses of one node pass the gate, and so many in all. The nodes that claim most are the
 * first of which none passes.
 */
const mostOfNode = 512;
const mostPassing = 4096;

/**
 * The ranges of this node's pods, by the first that names any: the operator, the Node object, the runtime's network configuration. Some
 * network plugins give out addresses without a look at the Node's ranges, and a gate there would cut off the pods of other nodes.
 *
 * - A sandbox of this node with an address outside of the Node's ranges proves that: the Node is not believed.
 * - A pod of another node with an address inside proves nothing, since who may write its status may claim any address. That address alone
 *   passes the gate, and none does where the network configuration of this node names the range itself.
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
  /** How many addresses of sandboxes here are outside of the ranges of the own Node. */
  #contradictions = 0;
  /** By node, addresses in the ranges of the own Node that its pods claim. */
  readonly #claimed = new Map<string, CountedSet<string>>();
  #claims: readonly GateClaims[] | undefined;
  #current: readonly string[] = [];

  /**
   * @param isNode whether there is a Node of the name; `nodesChanged` says when that may be otherwise
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

  /** @param residents all there are */
  setOfNode(cidrs: readonly string[], residents: Iterable<AddressClaimant>): void {
    if (cidrs.join() === this.#ofNode.join()) return;
    this.#ofNode = cidrs;
    this.#parsed = cidrs.map((cidr) => parseCidr(cidr)).filter((range) => range !== undefined);
    this.#contradictions = 0;
    this.#claimed.clear();
    for (const resident of residents) this.count(resident, 1);
    this.#choose();
  }

  setLearned(cidrs: readonly string[]): void {
    this.#learned = cidrs;
    this.#choose();
  }

  nodesChanged(): void {
    this.#claims = undefined;
  }

  /** Told of every pod that comes (1) or goes (-1). Of one that has no node yet it is not known what it speaks for. */
  count({ pod: { nodeName, addresses }, sandbox }: AddressClaimant, change: 1 | -1): void {
    if (this.#parsed.length === 0 || nodeName === undefined) return;
    for (const address of addresses) this.#count(address, nodeName, sandbox !== undefined, change);
  }

  /** @param isRecorded a sandbox of this node has the address: no status that somebody wrote says so */
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

  /** Ranges of the Node that would be gated if sandboxes did not show that the network plugin does not keep to them. */
  get disputed(): readonly string[] {
    const counts = this.#gate && this.#named.length === 0;
    return counts && this.#contradictions > 0 ? canonicalCidrs(this.#ofNode) : [];
  }

  /** Which nodes' pods claim addresses of the gated ranges, those that claim most first. */
  get claims(): readonly GateClaims[] {
    return (this.#claims ??= this.#judgeClaims());
  }

  /** Addresses of the gated ranges that pods of other nodes may use. */
  *passing(): Generator<string> {
    for (const { node, pass } of this.claims) if (pass) yield* this.#claimed.get(node)!.values();
  }

  /** Canonical CIDRs, ascending, without overlaps; none where there is no gate. */
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
    // Pods outlive their Node by minutes, and its ranges may be this one's by then.
    const nodes = [...this.#claimed].filter(([name]) => this.#isNode(name));
    const claims = nodes.map(([node, { size }]) => ({ node, addresses: size }));
    claims.sort((a, b) => a.addresses - b.addresses || compareText(a.node, b.node));
    let left = this.#isLearned ? 0 : mostPassing;
    return claims
      .map((claim) => {
        const pass = claim.addresses <= Math.min(left, mostOfNode);
        if (pass) left -= claim.addresses;
        return { ...claim, pass };
      })
      .toReversed();
  }

  /** The network configuration of this node names all ranges of its Node. */
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
