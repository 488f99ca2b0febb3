import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ElementDump,
  encodeDumpRequest,
  encodeGenerationRequest,
  isDumped,
  readGeneration,
  type DumpOutcome,
} from '../nftables/element-dump.ts';
import { FieldTexts } from '../nftables/field-texts.ts';
import type { NftSet, Ruleset, Table, TableFamily, VerdictMap } from '../nftables/ruleset.ts';
import type { NetlinkSocket, OpenNetlinkSocket } from './netlink-socket.ts';
import { NftError } from './nft-error.ts';

/** Reads elements of sets and maps without nft. */
export interface ElementReader {
  /** Resolves with our tables and all their elements, as of one moment. Resolves with `undefined` if nft must list them. Rejects as the listing does. */
  read(listing: TerseListing): Promise<Ruleset | undefined>;
  /**
   * Resolves with some sets and maps as the kernel has them, each as of its own moment: `changed` if it is not there or has changed meanwhile, and `odd`
   * if nft must list it. Never rejects.
   */
  readEach(wanted: readonly WantedObject[]): Promise<readonly DumpOutcome<NftSet | VerdictMap>[]>;
}

/** A set or map to read; its elements do not matter. */
export interface WantedObject {
  readonly family: TableFamily;
  readonly object: NftSet | VerdictMap;
}

/** What nft lists for the reader. */
export interface TerseListing {
  /** Our tables without elements. */
  readonly tables: () => Promise<Ruleset>;
  /** One set or map with its elements; `undefined` if it is not there. */
  readonly set: (family: TableFamily, name: string) => Promise<NftSet | undefined>;
  readonly map: (family: TableFamily, name: string) => Promise<VerdictMap | undefined>;
}

/** Leaves everything to nft. */
export const noElementReader: ElementReader = {
  read: async () => undefined,
  readEach: async (wanted) => wanted.map(() => 'odd'),
};

export interface ElementReaderOptions {
  readonly openSocket: OpenNetlinkSocket;
  /** Bytes of all answers. Default: as many as nft's listing may have. */
  readonly mostBytes?: () => number;
  /** Called at the first failure since the reader last worked. */
  readonly failed?: (cause: unknown) => void;
}

/** Another program, such as kube-proxy, may change its own tables often. Each such change begins a generation. */
const mostTries = 3;
/** Sets and maps that nft lists one by one. If there are more, it lists all at once. */
const mostOdd = 20;
const mostBytesOfNft = 512 << 20;
/** Milliseconds after which other work has its turn. */
const sliceMs = 10;

/**
 * Reads the elements by netlink: for a large table, nft takes some ten times as long. nft lists everything else: chains, rules, declarations of sets, and
 * each set in which something is found that Postern does not write. The kernel's generation is the same before and after, so what is read belongs
 * together.
 */
export function openElementReader({
  openSocket,
  mostBytes = () => mostBytesOfNft,
  failed = () => {},
}: ElementReaderOptions): ElementReader {
  let hasWorked = true;
  /** Resolves with `undefined` if netlink does not work. */
  const ask = async <T>(read: (questions: Questions) => Promise<T>): Promise<T | undefined> => {
    let socket: NetlinkSocket | undefined;
    try {
      socket = await openSocket();
      const answer = await read(new Questions(socket, mostBytes()));
      hasWorked = true;
      return answer;
    } catch (error) {
      if (error instanceof NftError) throw error;
      if (hasWorked) failed(error);
      hasWorked = false;
      return undefined;
    } finally {
      socket?.close();
    }
  };
  return {
    read: (listing) => ask((questions) => readInTries(questions, listing)),
    async readEach(wanted) {
      const read = async (questions: Questions): Promise<DumpOutcome<NftSet | VerdictMap>[]> => {
        const texts = new FieldTexts();
        const outcomes: DumpOutcome<NftSet | VerdictMap>[] = [];
        for (const { family, object } of wanted)
          outcomes.push(isDumped(object) ? await questions.elements(family, object, texts) : 'odd');
        return outcomes;
      };
      return (await ask(read)) ?? noElementReader.readEach(wanted);
    },
  };
}

async function readInTries(questions: Questions, listing: TerseListing): Promise<Ruleset | undefined> {
  for (let tries = 0; tries < mostTries; tries++) {
    const generation = questions.generation();
    const tables = await readOnce(questions, listing);
    if (tables === 'odd') return undefined;
    if (tables !== 'changed' && questions.generation() === generation) return tables;
  }
  return undefined;
}

/** Returns `odd` if nft would have to list too many sets one by one. */
async function readOnce(questions: Questions, listing: TerseListing): Promise<Ruleset | 'odd' | 'changed'> {
  const texts = new FieldTexts();
  let odd = 0;
  const complete = async <T extends NftSet | VerdictMap>(
    family: TableFamily,
    objects: ReadonlyMap<string, T>,
    list: (family: TableFamily, name: string) => Promise<T | undefined>,
  ): Promise<Map<string, T> | 'odd' | 'changed'> => {
    const completed = new Map(objects);
    for (const [name, object] of objects) {
      // A foreign set has no elements.
      if (object.key.length === 0) continue;
      let outcome = isDumped(object) ? await questions.elements(family, object, texts) : 'odd';
      if (outcome === 'odd') {
        if (++odd > mostOdd) return 'odd';
        outcome = (await list(family, name)) ?? 'changed';
      }
      if (outcome === 'changed') return 'changed';
      completed.set(name, outcome);
    }
    return completed;
  };
  const completed: [TableFamily, Table][] = [];
  for (const [family, table] of Object.entries(await listing.tables()) as [TableFamily, Table][]) {
    const sets = await complete(family, table.sets, listing.set);
    if (typeof sets === 'string') return sets;
    const maps = await complete(family, table.maps, listing.map);
    if (typeof maps === 'string') return maps;
    completed.push([family, { ...table, sets, maps }]);
  }
  return Object.fromEntries(completed);
}

/** Asks the kernel one question after the other. Throws if an answer is missing or not as expected. */
class Questions {
  readonly #socket: NetlinkSocket;
  readonly #mostBytes: number;
  #sequence = 0;
  #bytes = 0;
  #sliceEnd = performance.now() + sliceMs;

  constructor(socket: NetlinkSocket, mostBytes: number) {
    this.#socket = socket;
    this.#mostBytes = mostBytes;
  }

  generation(): number {
    this.#socket.ask(encodeGenerationRequest(++this.#sequence));
    return readGeneration(this.#answer(), this.#sequence);
  }

  async elements<T extends NftSet | VerdictMap>(
    family: TableFamily,
    object: T,
    texts: FieldTexts,
  ): Promise<DumpOutcome<T>> {
    const dump = new ElementDump(object, ++this.#sequence, texts);
    this.#socket.ask(encodeDumpRequest(family, object.name, this.#sequence));
    while (!dump.read(this.#answer())) await this.#rest();
    await this.#rest();
    return dump.outcome;
  }

  /** The kernel has answered when the question is sent, and prepares the next part of a dump when one is read (K42). */
  #answer(): Buffer {
    const datagram = this.#socket.receive();
    if (!datagram) throw new Error('the kernel did not answer');
    if ((this.#bytes += datagram.length) > this.#mostBytes)
      throw new Error(`the kernel listed more than ${this.#mostBytes} bytes of elements`);
    return datagram;
  }

  async #rest(): Promise<void> {
    if (performance.now() < this.#sliceEnd) return;
    await nextTurn();
    this.#sliceEnd = performance.now() + sliceMs;
  }
}
