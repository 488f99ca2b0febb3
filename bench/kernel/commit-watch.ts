import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { parseAddress } from '../../src/model/address.ts';
import { LineProcess } from '../line-process.ts';

const source = fileURLToPath(new URL('watch-commits.c', import.meta.url));

/** A transaction that the kernel has committed. */
export interface Commit {
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly at: number;
  /** Pods' addresses (`addressKey`) in elements that the transaction added. */
  readonly added: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
}

/** Transactions of one network namespace, as watch-commits.c prints them. */
export class CommitWatch {
  readonly #process: LineProcess;
  /** Commits that `take` and `drain` have not returned yet. */
  #commits: Commit[] = [];
  #isReady = false;

  private constructor(command: readonly [string, readonly string[]]) {
    this.#process = new LineProcess(command, (line) => {
      if (line === 'ready') this.#isReady = true;
      else this.#commits.push(readCommit(line));
    });
  }

  /** @param directory for the compiled program */
  static async start(namespace: string, directory: string): Promise<CommitWatch> {
    const program = join(directory, 'watch-commits');
    await execa('cc', ['-O2', '-Wall', '-Werror', '-o', program, source]);
    const watch = new CommitWatch(enterNamespace(namespace, program, []));
    await watch.#process.until(() => watch.#isReady);
    return watch;
  }

  /** Waits for `count` commits and returns them. */
  async take(count: number, limitMs?: number): Promise<Commit[]> {
    await this.#process.until(() => this.#commits.length >= count, limitMs);
    return this.#commits.splice(0, count);
  }

  /** Returns the commits up to now. */
  drain(): Commit[] {
    return this.#commits.splice(0);
  }

  /** Unexpected commits: another program writes, or the bench has miscounted. */
  get left(): readonly Commit[] {
    return this.#commits;
  }

  end(): Promise<void> {
    return this.#process.end();
  }
}

export function readCommit(line: string): Commit {
  const words = line.split(' ');
  const nanoseconds = Number(words.pop());
  const signed = (sign: string): Set<string> =>
    new Set(words.filter((word) => word.startsWith(sign)).map((word) => word.slice(1)));
  return { at: nanoseconds / 1e6, added: signed('+'), removed: signed('-') };
}

/** Hexadecimal digits of an address, as in the kernel's messages. */
export function addressKey(text: string): string {
  const { family, value } = parseAddress(text)!;
  return value.toString(16).padStart(family === 'ipv4' ? 8 : 32, '0');
}
