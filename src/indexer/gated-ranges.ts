import { canonicalCidrs, containsAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';

export interface GateOptions {
  readonly gate: boolean;
  /** Named by the operator; empty: nobody did. */
  readonly podCidrs: readonly string[];
}

/** A pod, of this node or not, has the address. */
export interface AddressUse {
  readonly address: string;
  readonly isHere: boolean;
}

/**
 * The ranges of this node's pods, by the first that names any: the operator, the Node object, the runtime's network configuration. Some
 * network plugins give out addresses without a look at the Node's ranges, and a gate there would cut off the pods of other nodes. So the
 * Node is not believed where a pod of this node has an address outside of them, or a pod of another node one inside.
 */
export class GatedRanges {
  readonly #gate: boolean;
  readonly #named: readonly string[];
  #ofNode: readonly string[] = [];
  #parsed: readonly AddressRange[] = [];
  #learned: readonly string[] = [];
  /** Uses of addresses that speak against the ranges of the Node. */
  #contradictions = 0;
  #current: readonly string[] = [];

  constructor({ gate, podCidrs }: GateOptions) {
    this.#gate = gate;
    this.#named = podCidrs;
    this.#choose();
  }

  /** @param uses all there are */
  setOfNode(cidrs: readonly string[], uses: Iterable<AddressUse>): void {
    if (cidrs.join() === this.#ofNode.join()) return;
    this.#ofNode = cidrs;
    this.#parsed = cidrs.map((cidr) => parseCidr(cidr)).filter((range) => range !== undefined);
    this.#contradictions = 0;
    for (const use of uses) this.count(use, 1);
    this.#choose();
  }

  setLearned(cidrs: readonly string[]): void {
    this.#learned = cidrs;
    this.#choose();
  }

  /** Told of every use that begins (1) or ends (-1). */
  count({ address, isHere }: AddressUse, change: 1 | -1): void {
    if (this.#parsed.length === 0) return;
    const parsed = parseAddress(address);
    const ofFamily = this.#parsed.filter(({ family }) => family === parsed?.family);
    if (!parsed || ofFamily.length === 0) return;
    const isInside = ofFamily.some((range) => containsAddress(range, parsed));
    if (isInside === isHere) return;
    this.#contradictions += change;
    this.#choose();
  }

  /** Ranges of the Node that would be gated if pods did not show that they are not this node's alone. */
  get disputed(): readonly string[] {
    const counts = this.#gate && this.#named.length === 0;
    return counts && this.#contradictions > 0 ? canonicalCidrs(this.#ofNode) : [];
  }

  /** Canonical CIDRs, ascending, without overlaps; none where there is no gate. */
  get current(): readonly string[] {
    return this.#current;
  }

  #choose(): void {
    const ofNode = this.#contradictions > 0 ? [] : this.#ofNode;
    const chosen = [this.#named, ofNode, this.#learned].find((cidrs) => cidrs.length > 0) ?? [];
    this.#current = this.#gate ? canonicalCidrs(chosen) : [];
  }
}
