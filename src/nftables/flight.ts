import type { NftRule, NftSet, Table, VerdictMap } from './ruleset.ts';

/**
 * A table that changes while a packet is being evaluated. A session writes several transactions within a millisecond, so a packet in flight may meet
 * more than one. A stage with `afterGracePeriod` begins only after all older packets are done (K27).
 */
export interface Flight {
  /** The states of the table, oldest first, one per transaction. */
  readonly generations: readonly Table[];
  /**
   * The index of the current generation at the packet's read number 0, 1, 2, …; it never decreases. Each entry into a chain, each lookup in a
   * set or map, and each addition to a flow set is a read. Read 0 enters the first base chain.
   */
  readonly generationAt: (read: number) => number;
  /** What packets have added to the flow sets. Without it, flow sets are empty, and all packets pass the rules. */
  readonly memory?: FlowMemory;
  /** The elements that would let the packet pass have just expired. */
  readonly missesFlows?: boolean;
  /** By generation, the names of the flow sets that its transaction has emptied. */
  readonly flushed?: readonly ReadonlySet<string>[];
}

/**
 * The generations in which packets added an element, by set object and element. As in the kernel, a set that a transaction deletes and makes again under
 * the same name is another set, and rules that were written before still refer to the old one.
 */
export type FlowMemory = Map<NftSet, Map<string, number[]>>;

/** A packet's position in a chain. */
export interface Place {
  readonly chain: string;
  readonly rules: readonly NftRule[];
  /** The generation of `rules`. */
  readonly generation: number;
  next: number;
}

/** Reads the table like a packet: rules of the generation in which the packet started, sets and maps of the current generation. */
export class Reader {
  readonly #flight: Flight;
  readonly #start: number;
  #reads = 0;
  /** The generation at the last read. */
  #current = 0;

  constructor(flight: Flight) {
    this.#flight = flight;
    this.#start = flight.generationAt(0);
  }

  get startTable(): Table {
    return this.#flight.generations[this.#start]!;
  }

  /**
   * The kernel has two slots for the rules of a chain, and a packet uses the slot that was current at its start (nft_do_chain, genbit). Every
   * commit writes the other slot. So after an even number of commits, the packet's slot has the newest rules. A chain that is not in the slot
   * yet is empty.
   */
  enter(chain: string): Place {
    const now = this.#now();
    const generation = now - ((now - this.#start) % 2);
    return { chain, rules: this.#flight.generations[generation]!.chains.get(chain)?.rules ?? [], generation, next: 0 };
  }

  set(name: string, place: Place): NftSet {
    const flowSet = this.#flowSet(name, place);
    if (!flowSet) return this.#read(({ sets }) => sets.get(name), name, place);
    this.#now();
    return flowSet;
  }

  map(name: string, place: Place): VerdictMap {
    return this.#read(({ maps }) => maps.get(name), name, place);
  }

  /** Adds the key to the flow set that the rule refers to. */
  remember(name: string, place: Place, key: readonly string[] | undefined): void {
    const { memory } = this.#flight;
    const set = this.#flowSet(name, place);
    if (!memory || !set || !key) return;
    const now = this.#now();
    const elements = memory.get(set) ?? new Map<string, number[]>();
    const element = key.join(' . ');
    const added = elements.get(element) ?? [];
    if (!added.includes(now)) elements.set(element, [...added, now]);
    memory.set(set, elements);
  }

  /** Whether the element was in the flow set at the last read. */
  isRemembered(set: NftSet, key: readonly string[]): boolean {
    const { memory, missesFlows = false, flushed = [] } = this.#flight;
    if (missesFlows) return false;
    const added = memory?.get(set)?.get(key.join(' . ')) ?? [];
    const lastFlush = flushed.findLastIndex((names, generation) => generation <= this.#current && names.has(set.name));
    return added.some((generation) => generation >= lastFlush && generation <= this.#current);
  }

  /** A rule refers to the set that had the name when the rule was written. */
  #flowSet(name: string, { generation }: Place): NftSet | undefined {
    const set = this.#flight.generations[generation]!.sets.get(name);
    return set?.records && set;
  }

  /** The object that a rule looks up. If it was deleted meanwhile, the packet still sees its last content. */
  #read<T>(pick: (table: Table) => T | undefined, name: string, { generation }: Place): T {
    for (let now = this.#now(); now >= generation; now--) {
      const object = pick(this.#flight.generations[now]!);
      if (object !== undefined) return object;
    }
    throw new Error(`bug: a rule reads ${name}, which does not exist`);
  }

  #now(): number {
    return (this.#current = this.#flight.generationAt(this.#reads++));
  }
}
