import { formatAddress, parseCidr } from '../model/address.ts';
import type { Node } from '../model/cluster.ts';

/**
 * The addresses at which other nodes take tunnel packets (S1.18). A tunnel device listens on every address of its node, so these are
 * the addresses of the Node object and the first two of each of its pod ranges: flannel gives the first to its tunnel device, and
 * the bridge and host-local plugins give the second to the bridge.
 */
export class TunnelTargets {
  /** How many nodes have each address. */
  readonly #counts = new Map<string, number>();
  #current: ReadonlySet<string> | undefined;
  revision = 0;

  /** Replaces what one node brings. */
  replace(before: Node | undefined, after: Node | undefined): void {
    const [old, current] = [targetsOf(before), targetsOf(after)];
    for (const address of current.difference(old)) this.#count(address, 1);
    for (const address of old.difference(current)) this.#count(address, -1);
  }

  /** The very object for as long as nothing changes. */
  get current(): ReadonlySet<string> {
    return (this.#current ??= new Set(this.#counts.keys()));
  }

  get size(): number {
    return this.#counts.size;
  }

  #count(address: string, change: 1 | -1): void {
    const before = this.#counts.get(address) ?? 0;
    if (before + change > 0) this.#counts.set(address, before + change);
    else this.#counts.delete(address);
    if (before > 0 && before + change > 0) return;
    this.revision++;
    this.#current = undefined;
  }
}

function targetsOf(node: Node | undefined): Set<string> {
  const inRanges = (node?.podCidrs ?? []).flatMap((cidr) => {
    const range = parseCidr(cidr);
    if (!range) return [];
    const second = range.first + 1n;
    return [range.first, ...(second <= range.last ? [second] : [])].map((value) => formatAddress(range.family, value));
  });
  return new Set([...(node?.addresses ?? []), ...inRanges]);
}
