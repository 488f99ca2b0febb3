import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';

const program = fileURLToPath(new URL('./flood.py', import.meta.url));
const port = 7000;

export const transports = ['udp4', 'udp6', 'tcp4', 'tcp6'] as const;
export type Transport = (typeof transports)[number];

export interface FloodTarget {
  readonly address: string;
  /** Milliseconds between two packets. */
  readonly udp?: number;
  /** Milliseconds between two attempts to connect. */
  readonly tcp?: number;
  /** Datagrams as fast as may be, from before there is a network. */
  readonly eager?: boolean;
  /** Speaks on a connection that stands. */
  readonly talk?: boolean;
}

/** What came from one sender; times in seconds since the epoch. */
interface Seen {
  readonly first: number;
  readonly last: number;
  readonly counts: Readonly<Partial<Record<Transport, number>>>;
}

export interface FloodReport {
  readonly firstSent: number | null;
  /** Datagrams that left, by destination. */
  readonly sent: Readonly<Record<string, number>>;
  /** By the id of the sender. */
  readonly seen: Readonly<Record<string, Seen>>;
  /** TCP, by the address of the sender: those that open, and others. */
  readonly segments: Readonly<Record<string, { readonly opening: number; readonly other: number }>>;
  /** Answers on connections that it opened, by destination. */
  readonly established: Readonly<Record<string, number>>;
}

/** Sends to many at once and counts what comes (flood.py), in a network namespace; it ends with the namespace. */
export class Flooder {
  readonly id: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: ((line: string) => void)[] = [];

  private constructor(namespace: string, id: string, targets: readonly FloodTarget[]) {
    this.id = id;
    const argument = JSON.stringify({ id, port, targets });
    const command = enterNamespace(namespace, python, [...pythonOptions, program, argument]);
    this.#child = spawn(...command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {});
    const lines = createInterface({ input: this.#child.stdout });
    lines.on('line', (line) => this.#waiting.shift()!(line));
    lines.on('close', () => {
      for (const settle of this.#waiting.splice(0)) settle('');
    });
  }

  /** Resolves once it sends. */
  static async start(namespace: string, id: string, targets: readonly FloodTarget[] = []): Promise<Flooder> {
    const flooder = new Flooder(namespace, id, targets);
    await flooder.#answer();
    return flooder;
  }

  /** As with a sandbox that failed: whoever started it starts another. */
  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  report(): Promise<FloodReport> {
    return this.#ask('report');
  }

  /** Sends to these from now on; connections to others are closed. */
  aim(targets: readonly FloodTarget[]): Promise<FloodReport> {
    return this.#ask(`targets ${JSON.stringify(targets)}`);
  }

  async #ask(line: string): Promise<FloodReport> {
    const answer = this.#answer();
    this.#child.stdin.write(`${line}\n`);
    return JSON.parse(await answer) as FloodReport;
  }

  /** Throws where it has ended. */
  async #answer(): Promise<string> {
    const line = this.hasEnded ? '' : await new Promise<string>((resolve) => this.#waiting.push(resolve));
    if (line === '') throw new Error(`the flood of ${this.id} has ended`);
    return line;
  }
}
