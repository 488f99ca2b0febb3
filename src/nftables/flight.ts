import type { NftRule, NftSet, Table, VerdictMap } from './ruleset.ts';

/**
 * A table that changes while a packet is on its way. Seldom can more than one transaction come between a packet's reads: a script that
 * takes anything away ends only when no packet that began before it is left (the kernel's grace period, K27).
 */
export interface Flight {
  /** The states of the table, oldest first: one a transaction. */
  readonly generations: readonly Table[];
  /**
   * Which of them is current at the packet's read number 0, 1, 2, …, never descending. Entering a chain is a read, and so is every
   * look-up in a set or map; read 0 enters the first base chain.
   */
  readonly generationAt: (read: number) => number;
}

/** A place in a chain, as the packet sees it. */
export interface Place {
  readonly chain: string;
  readonly rules: readonly NftRule[];
  /** The generation that the rules are of. */
  readonly generation: number;
  next: number;
}

/** Reads the table as a packet does: rules of the generation in which it started, contents of the generation of the moment. */
export class Reader {
  readonly #flight: Flight;
  readonly #start: number;
  #reads = 0;

  constructor(flight: Flight) {
    this.#flight = flight;
    this.#start = flight.generationAt(0);
  }

  get startTable(): Table {
    return this.#flight.generations[this.#start]!;
  }

  /**
   * The kernel keeps the rules of a chain in two slots, and a packet keeps to the one of its start (nft_do_chain, genbit). Every
   * commit writes the other slot, so an even number of commits later the packet's slot holds the newest rules. A chain that is not
   * in the slot yet is empty.
   */
  enter(chain: string): Place {
    const now = this.#now();
    const generation = now - ((now - this.#start) % 2);
    return { chain, rules: this.#flight.generations[generation]!.chains.get(chain)?.rules ?? [], generation, next: 0 };
  }

  set(name: string, place: Place): NftSet {
    return this.#read(({ sets }) => sets.get(name), name, place);
  }

  map(name: string, place: Place): VerdictMap {
    return this.#read(({ maps }) => maps.get(name), name, place);
  }

  /** The object that a rule looks up. One deleted meanwhile still holds what it held. */
  #read<T>(pick: (table: Table) => T | undefined, name: string, { generation }: Place): T {
    for (let now = this.#now(); now >= generation; now--) {
      const object = pick(this.#flight.generations[now]!);
      if (object !== undefined) return object;
    }
    throw new Error(`bug: a rule reads ${name}, which does not exist`);
  }

  #now(): number {
    return this.#flight.generationAt(this.#reads++);
  }
}
