import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { splitLines } from '../src/watch/json-lines.ts';

const patienceMs = 300_000;

/** The process has not printed what the caller waits for. */
export class SilentProcess extends Error {}

/** A process with lines on stdin and stdout. It exits at the end of its input. If it exits earlier, pending calls reject. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  /** Resolves at the end of stdout. */
  readonly #ended: Promise<void>;
  #failure: Error | undefined;
  #waiting: (() => void)[] = [];

  /** @param take Called with each line; may throw. */
  constructor(command: readonly [string, readonly string[]], take: (line: string) => void) {
    const [file, args] = command;
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    // Ignores write errors: the exit status shows the cause.
    this.#child.stdin!.on('error', () => {});
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => String(code ?? signal));
    this.#ended = this.#read(take);
  }

  /** Returns whether the buffer has room. Without room, the line is queued. */
  post(line: string): boolean {
    if (this.#failure) throw this.#failure;
    return this.#child.stdin!.write(`${line}\n`);
  }

  /** Resolves when the buffer has room. */
  async write(line: string): Promise<void> {
    if (!this.post(line)) await Promise.race([once(this.#child.stdin!, 'drain'), this.#ended]);
  }

  /** Resolves when the condition is true. Evaluates it after each line. Rejects after `limitMs`. */
  async until(condition: () => boolean, limitMs = patienceMs): Promise<void> {
    const end = performance.now() + limitMs;
    const timer = setTimeout(() => this.#wake(), limitMs + 1);
    try {
      while (!condition()) {
        if (this.#failure) throw this.#failure;
        if (performance.now() > end)
          throw new SilentProcess(`${this.#child.spawnargs.join(' ')} was silent for too long`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
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
