import { setFlagsFromString } from 'node:v8';

const generousPercent = 100;

/**
 * With `--optimize-for-size`, as in the image, V8 collects the whole heap after every few megabytes. That keeps the agent small. But while the
 * agent reads the first lists of a large cluster, collection is most of the work, on every node at once. So meanwhile the heap may double.
 */
export class HeapGrowth {
  readonly #set: (percent: number) => void;
  #users = 0;

  /** @param set takes percent; 0 is V8's own choice */
  constructor(set: (percent: number) => void) {
    this.#set = set;
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#users++ === 0) this.#set(generousPercent);
    try {
      return await work();
    } finally {
      if (--this.#users === 0) this.#set(0);
    }
  }
}

/** The heap of this process. V8 reads the flag after each collection, so it may change at any time. */
export const heapGrowth = new HeapGrowth((percent) => {
  if (process.execArgv.includes('--optimize-for-size')) setFlagsFromString(`--heap-growing-percent=${percent}`);
});
