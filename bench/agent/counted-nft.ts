import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Stands before the real nft on an agent's PATH and notes each run. */
export class CountedNft {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(directory: string): Promise<CountedNft> {
    const counted = new CountedNft(directory);
    await mkdir(directory, { recursive: true });
    const program = `#!/bin/sh\necho "$*" >>'${directory}/runs'\nPATH=\${PATH#'${directory}:'}\nexec nft "$@"\n`;
    await writeFile(join(directory, 'nft'), program);
    await chmod(join(directory, 'nft'), 0o755);
    await counted.reset();
    return counted;
  }

  get path(): string {
    return `${this.#directory}${delimiter}${process.env['PATH'] ?? ''}`;
  }

  reset(): Promise<void> {
    return writeFile(join(this.#directory, 'runs'), '');
  }

  /** Since the last reset: transactions, and listings of a whole table. The rest asks for one chain, or for the version. */
  async runs(): Promise<{ writes: number; reads: number }> {
    const lines = (await readFile(join(this.#directory, 'runs'), 'utf8')).split('\n');
    const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
    return { writes: count(/^-f -$/), reads: count(/ list table /) };
  }
}
