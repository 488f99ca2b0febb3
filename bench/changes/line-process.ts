import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { splitLines } from '../../src/watch/json-lines.ts';

/** A process that is told lines and tells lines. It ends when its input does; if it ends before, whoever waits is told so. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  /** Resolves when nothing more is read. */
  readonly #ended: Promise<void>;
  #failure: Error | undefined;
  #waiting: (() => void)[] = [];

  /** @param take is called with each line, and may throw */
  constructor(command: readonly [string, readonly string[]], take: (line: string) => void) {
    const [file, args] = command;
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    // What could not be written shows in how the process ended.
    this.#child.stdin!.on('error', () => {});
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => String(code ?? signal));
    this.#ended = this.#read(take);
  }

  /** Says whether there is room for more. What there is no room for is kept, and written when there is. */
  post(line: string): boolean {
    if (this.#failure) throw this.#failure;
    return this.#child.stdin!.write(`${line}\n`);
  }

  /** Resolves when there is room for more. */
  async write(line: string): Promise<void> {
    if (!this.post(line)) await Promise.race([once(this.#child.stdin!, 'drain'), this.#ended]);
  }

  /** Resolves when the condition holds: it is looked at after each line. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async end(): Promise<void> {
    this.#child.stdin!.end();
    await this.#ended;
  }

  async #read(take: (line: string) => void): Promise<void> {
    try {
      for await (const line of splitLines(this.#child.stdout!)) {
        take(line);
        this.#wake();
      }
      this.#failure = new Error(`${this.#child.spawnargs.join(' ')} has ended: ${await this.#exited}`);
    } catch (error) {
      this.#failure = error as Error;
      this.#child.kill();
      await this.#exited;
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
