import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** kubectl of the machine, against one server. */
export class Kubectl {
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /** @param folder for the kubeconfig and kubectl's cache */
  static async of(folder: string, kubeconfig: string): Promise<Kubectl> {
    const file = join(folder, 'kubeconfig');
    await writeFile(file, kubeconfig);
    return new Kubectl({ PATH: process.env['PATH'], HOME: folder, KUBECONFIG: file });
  }

  async isInstalled(): Promise<boolean> {
    const { code } = await this.run(['version', '--client']).catch(() => ({ code: -1 }));
    return code === 0;
  }

  /** Starts a command that keeps running, such as a watch. */
  start(args: readonly string[]): ChildProcess {
    return spawn('kubectl', args, { env: this.#environment, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** @param objects its input */
  async run(args: readonly string[], ...objects: object[]): Promise<Outcome> {
    const child = spawn('kubectl', args, { env: this.#environment });
    const exited = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    // A kubectl that never started, or asks for nothing, closes its end.
    child.stdin.on('error', () => {});
    const [single, ...more] = objects;
    child.stdin.end(
      JSON.stringify(more.length === 0 ? (single ?? {}) : { apiVersion: 'v1', kind: 'List', items: objects }),
    );
    const [code, out, err] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
    return { code, out, err };
  }

  /** The output of a command that succeeds. */
  async done(args: string, ...objects: object[]): Promise<string> {
    const { code, out, err } = await this.run(args.split(' '), ...objects);
    assert.equal(code, 0, `kubectl ${args}: ${err}`);
    return out;
  }

  /** The error output of a failing command. */
  async refused(args: string, ...objects: object[]): Promise<string> {
    const { code, err } = await this.run(args.split(' '), ...objects);
    assert.equal(code, 1, `kubectl ${args} did not fail`);
    return err;
  }
}
