import { canonicalCidrs, containsAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';

export interface GateOptions {
  readonly gate: boolean;
  /** Named by the operator; empty: nobody did. */
  readonly podCidrs: readonly string[];
}

/** A pod of the node has the address. */
export interface AddressUse {
  readonly address: string;
  readonly nodeName: string;
}

/**
 * The ranges of this node's pods, by the first that names any: the operator, the Node object, the runtime's network configuration. Some
 * network plugins give out addresses without a look at the Node's ranges, and a gate there would cut off the pods of other nodes. So the
 * Node is not believed where a pod of this node has an address outside of them, or a pod of another node one inside. Pods of a node that
 * is gone do not count: its ranges may be this one's by now, and pods outlive their Node by minutes.
 */
export class GatedRanges {
  readonly #nodeName: string;
  readonly #isNode: (name: string) => boolean;
  readonly #gate: boolean;
  readonly #named: readonly string[];
  #ofNode: readonly string[] = [];
  #parsed: readonly AddressRange[] = [];
  #learned: readonly string[] = [];
  /** By node, how many uses of addresses speak against the ranges of the own Node. */
  readonly #contradictions = new Map<string, number>();
  #current: readonly string[] = [];
  #revision = 0;

  /** @param isNode whether there is a Node of the name; `nodesChanged` says when that may be otherwise */
  constructor(nodeName: string, { gate, podCidrs }: GateOptions, isNode: (name: string) => boolean) {
    this.#nodeName = nodeName;
    this.#isNode = isNode;
    this.#gate = gate;
    this.#named = podCidrs;
    this.#choose();
  }

  /** @param uses all there are */
  setOfNode(cidrs: readonly string[], uses: Iterable<AddressUse>): void {
    if (cidrs.join() === this.#ofNode.join()) return;
    this.#ofNode = cidrs;
    this.#parsed = cidrs.map((cidr) => parseCidr(cidr)).filter((range) => range !== undefined);
    this.#contradictions.clear();
    for (const use of uses) this.count(use, 1);
    this.#choose();
  }

  setLearned(cidrs: readonly string[]): void {
    this.#learned = cidrs;
    this.#choose();
  }

  nodesChanged(): void {
    this.#choose();
  }

  /** Told of every use that begins (1) or ends (-1). */
  count({ address, nodeName }: AddressUse, change: 1 | -1): void {
    if (this.#parsed.length === 0) return;
    const parsed = parseAddress(address);
    const ofFamily = this.#parsed.filter(({ family }) => family === parsed?.family);
    if (!parsed || ofFamily.length === 0) return;
    const isInside = ofFamily.some((range) => containsAddress(range, parsed));
    if (isInside === (nodeName === this.#nodeName)) return;
    const count = (this.#contradictions.get(nodeName) ?? 0) + change;
    if (count > 0) this.#contradictions.set(nodeName, count);
    else this.#contradictions.delete(nodeName);
    this.#choose();
  }

  /** Ranges of the Node that would be gated if pods did not show that they are not this node's alone. */
  get disputed(): readonly string[] {
    const counts = this.#gate && this.#named.length === 0;
    return counts && this.#isContradicted ? canonicalCidrs(this.#ofNode) : [];
  }

  /** Canonical CIDRs, ascending, without overlaps; none where there is no gate. */
  get current(): readonly string[] {
    return this.#current;
  }

  get revision(): number {
    return this.#revision;
  }

  get #isContradicted(): boolean {
    return this.#contradictions.keys().some((name) => this.#isNode(name));
  }

  #choose(): void {
    const ofNode = this.#isContradicted ? [] : this.#ofNode;
    const chosen = [this.#named, ofNode, this.#learned].find((cidrs) => cidrs.length > 0) ?? [];
    const current = this.#gate ? canonicalCidrs(chosen) : [];
    if (current.join() !== this.#current.join()) this.#revision++;
    this.#current = current;
  }
}
