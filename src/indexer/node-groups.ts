import { CountedSet } from '../lib/counted-set.ts';
import { sizeOfAll } from '../lib/table-size.ts';
import type { Node } from '../model/cluster.ts';
import type { GroupId, Selector } from '../model/policy.ts';
import { matchesSelector } from '../model/selection.ts';

interface Entry {
  readonly selector: Selector;
  /** Two Node objects may have one address: a node that has got another name. */
  readonly addresses: CountedSet<string>;
}

/** The groups of nodes that policies in force name. */
export class NodeGroups {
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #entries = new Map<GroupId, Entry>();

  /** @param nodes a live view of all nodes */
  constructor(nodes: ReadonlyMap<string, Node>) {
    this.#nodes = nodes;
  }

  /** Returns the addresses of the new group. */
  add(group: GroupId, selector: Selector): Iterable<string> {
    const addresses = new CountedSet<string>();
    for (const node of this.#nodes.values())
      if (matches(selector, node)) for (const each of node.addresses) addresses.add(each);
    this.#entries.set(group, { selector, addresses });
    return addresses.values();
  }

  remove(group: GroupId): void {
    this.#entries.delete(group);
  }

  /** To be called when a node has changed; `undefined` if it was or is not there. */
  replace(before: Node | undefined, after: Node | undefined): void {
    for (const { selector, addresses } of this.#entries.values()) {
      if (after && matches(selector, after)) for (const address of after.addresses) addresses.add(address);
      if (before && matches(selector, before)) for (const address of before.addresses) addresses.remove(address);
    }
  }

  /** All groups, and whether one of their nodes has the address. */
  *groupsOf(address: string): Generator<readonly [group: GroupId, has: boolean]> {
    for (const [group, { addresses }] of this.#entries) yield [group, addresses.has(address)];
  }

  get size(): number {
    return this.#entries.size + sizeOfAll(this.#entries.values().map((entry) => entry.addresses));
  }
}

function matches(selector: Selector, { labels = {} }: Node): boolean {
  return matchesSelector(selector, labels);
}
