import { LineProcess } from './line-process.ts';

/** When the kernel committed each new generation of rules: what watch-commits.c has become says it. */
export class CommitWatch {
  readonly #process: LineProcess;
  /** Milliseconds of CLOCK_MONOTONIC, of commits that nobody has taken yet. */
  #commits: number[] = [];
  #isReady = false;

  private constructor(command: readonly [string, readonly string[]]) {
    this.#process = new LineProcess(command, (line) => {
      if (line === 'ready') this.#isReady = true;
      else this.#commits.push(Number(line) / 1e6);
    });
  }

  static async start(command: readonly [string, readonly string[]]): Promise<CommitWatch> {
    const watch = new CommitWatch(command);
    await watch.#process.until(() => watch.#isReady);
    return watch;
  }

  /** The times of the next commits, as soon as there are that many. */
  async take(count: number): Promise<number[]> {
    await this.#process.until(() => this.#commits.length >= count);
    return this.#commits.splice(0, count);
  }

  /** Commits that nobody expected: somebody else writes, or a transaction was counted wrongly. */
  get left(): number {
    return this.#commits.length;
  }

  end(): Promise<void> {
    return this.#process.end();
  }
}
