import { LineProcess } from './line-process.ts';

/** Commit times of rule generations, as the compiled watch-commits.c prints them. */
export class CommitWatch {
  readonly #process: LineProcess;
  /** Commit times that `take` has not returned yet, in milliseconds of CLOCK_MONOTONIC. */
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

  /** Waits for `count` commits and returns their times. */
  async take(count: number): Promise<number[]> {
    await this.#process.until(() => this.#commits.length >= count);
    return this.#commits.splice(0, count);
  }

  /** Number of unexpected commits: another program writes, or the bench has miscounted. */
  get left(): number {
    return this.#commits.length;
  }

  end(): Promise<void> {
    return this.#process.end();
  }
}
