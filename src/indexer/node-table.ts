import { canonicalCidrs, formatAddress, parseCidr } from '../model/address.ts';
import type { Node, NodeAddresses, ObjectKey } from '../model/cluster.ts';

/** The Node objects, and the addresses and pod ranges of all nodes. */
export class NodeTable {
  readonly #nodeName: string;
  readonly #nodes = new Map<ObjectKey, Node>();
  readonly #note: () => void;
  readonly #own = new CountedKeys();
  readonly #others = new CountedKeys();
  readonly #podCidrs = new CountedKeys();
  #current: NodeAddresses | undefined;

  /** @param note is called at each change */
  constructor(nodeName: string, note: () => void) {
    this.#nodeName = nodeName;
    this.#note = note;
  }

  get all(): ReadonlyMap<ObjectKey, Node> {
    return this.#nodes;
  }

  replace(name: ObjectKey, after: Node | undefined): void {
    const before = this.#nodes.get(name);
    if (after) this.#nodes.set(name, after);
    else this.#nodes.delete(name);
    const addresses = name === this.#nodeName ? this.#own : this.#others;
    const changed = [
      addresses.replace(addressesOf(before), addressesOf(after)),
      this.#podCidrs.replace(new Set(before?.podCidrs), new Set(after?.podCidrs)),
    ];
    if (!changed.includes(true)) return;
    this.#note();
    this.#current = undefined;
  }

  /** Sets addresses without their Nodes. They hold until a Node changes. */
  restore(addresses: NodeAddresses): void {
    this.#note();
    this.#current = addresses;
  }

  /** The same object until something changes. */
  get current(): NodeAddresses {
    return (this.#current ??= {
      own: new Set(this.#own.keys()),
      others: new Set(this.#others.keys()),
      podCidrs: canonicalCidrs(this.#podCidrs.keys()),
    });
  }

  get size(): number {
    return this.#nodes.size + this.#own.size + this.#others.size + this.#podCidrs.size;
  }
}

/** Counts for each key how many nodes have it. */
class CountedKeys {
  readonly #counts = new Map<string, number>();

  /** Returns whether the set of keys changed. */
  replace(old: ReadonlySet<string>, current: ReadonlySet<string>): boolean {
    const added = [...current.difference(old)].filter((key) => this.#count(key, 1) === 1);
    const removed = [...old.difference(current)].filter((key) => this.#count(key, -1) === 0);
    return added.length + removed.length > 0;
  }

  keys(): Iterable<string> {
    return this.#counts.keys();
  }

  get size(): number {
    return this.#counts.size;
  }

  #count(key: string, change: 1 | -1): number {
    const count = (this.#counts.get(key) ?? 0) + change;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
    return count;
  }
}

/**
 * Returns the addresses of the Node object and the first two of each of its pod ranges. A tunnel device receives on every address of its node;
 * flannel gives the first address of a range to its tunnel device, and the bridge and host-local plugins give the second to the bridge.
 */
function addressesOf(node: Node | undefined): Set<string> {
  const inRanges = (node?.podCidrs ?? []).flatMap((cidr) => {
    const range = parseCidr(cidr);
    if (!range) return [];
    const second = range.first + 1n;
    return [range.first, ...(second <= range.last ? [second] : [])].map((value) => formatAddress(range.family, value));
  });
  return new Set([...(node?.addresses ?? []), ...inRanges]);
}
