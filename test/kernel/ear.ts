import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';

export const frameProgram = fileURLToPath(new URL('./frames.py', import.meta.url));

/** A new one, as it stands in a frame. */
export function newToken(): string {
  return randomBytes(8).toString('hex');
}

/** Says which tokens come to an interface, or to a socket, of a network namespace. */
export class Ear {
  readonly tokens = new Set<string>();
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(namespace: string, words: readonly string[]) {
    const command = enterNamespace(namespace, python, [...pythonOptions, frameProgram, ...words]);
    this.#child = spawn(...command, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.tokens.add(line));
  }

  static async open(namespace: string, words: readonly string[]): Promise<Ear> {
    const ear = new Ear(namespace, words);
    await once(ear.#child.stdout, 'data');
    return ear;
  }
}
