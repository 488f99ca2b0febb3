import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';

const program = fileURLToPath(new URL('./attacker.py', import.meta.url));

/** One of attacker.py. */
export type Step = Readonly<Record<string, string | number>> & { readonly do: string };
export type Seen = readonly (string | null)[];
/** With raw sockets, or as a user without any capability. */
export type Rights = 'raw' | 'plain';

/** The program in a network namespace. It does one list of steps after the other, and ends with its stdin. */
export class Attacker {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: { resolve: (seen: Seen) => void; reject: (error: Error) => void }[] = [];

  #hasEnded = false;

  constructor(namespace: string, rights: Rights) {
    const command = enterNamespace(namespace, python, [...pythonOptions, program, rights]);
    this.#child = spawn(...command, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#waiting.shift()!.resolve(JSON.parse(line) as Seen);
    });
    this.#child.stdin.on('error', () => {});
    this.#child.on('close', () => {
      this.#hasEnded = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the attacker in ${namespace} has ended`));
    });
  }

  /** What the steps saw, one for each. */
  act(steps: readonly Step[]): Promise<Seen> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) return reject(new Error('the attacker has ended'));
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(steps)}\n`);
    });
  }
}
