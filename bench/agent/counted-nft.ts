import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Log files: runs of nft, and commands of `nft -i` sessions. */
const files = ['runs', 'said'] as const;

/** A wrapper that precedes the real nft on an agent's PATH. It logs each run, and each command of an `nft -i` session. */
export class CountedNft {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(directory: string): Promise<CountedNft> {
    const counted = new CountedNft(directory);
    await mkdir(directory, { recursive: true });
    const program = `#!/bin/sh
echo "$*" >>'${directory}/runs'
PATH=\${PATH#'${directory}:'}
case "$*" in
*-i) tee -a '${directory}/said' | nft "$@" ;;
*) exec nft "$@" ;;
esac
`;
    await writeFile(join(directory, 'nft'), program);
    await chmod(join(directory, 'nft'), 0o755);
    await counted.reset();
    return counted;
  }

  get path(): string {
    return `${this.#directory}${delimiter}${process.env['PATH'] ?? ''}`;
  }

  reset(): Promise<void> {
    return Promise.all(files.map((name) => writeFile(join(this.#directory, name), ''))).then(() => {});
  }

  /** Since the last reset: transactions, and listings of a whole table. Other runs (one chain, the version) do not count. */
  async runs(): Promise<{ writes: number; reads: number }> {
    const [runs, said] = await Promise.all(files.map((name) => readFile(join(this.#directory, name), 'utf8')));
    const count = (text: string | undefined, pattern: RegExp): number =>
      text!.split('\n').filter((line) => pattern.test(line)).length;
    return {
      writes: count(runs, /^-f -$/) + count(said, /^(?!list |done$)./),
      reads: count(runs, / list table /) + count(said, /^list table /),
    };
  }
}
