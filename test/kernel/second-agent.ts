import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { readSocketPage } from './agent-pages.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Another `postern agent` on a node of the lab, beside the lab's own. */
export class SecondAgent {
  readonly #socket: string;
  readonly #child: ChildProcess;

  constructor(lab: Lab, node: string, name: string, args: readonly string[] = []) {
    const directory = lab.state.nodeDirectory(node);
    this.#socket = join(directory, `${name}.sock`);
    const log = openSync(join(directory, `${name}.log`), 'a');
    const command = [main, 'agent', '--node-name', node, '--kubeconfig', join(directory, 'kubeconfig')];
    const cache = join(lab.state.cniDirectory(node), 'results');
    const line = [...command, '--listen', `unix:${this.#socket}`, '--cni-cache-dir', cache, ...args];
    const stdio: ['ignore', number, number] = ['ignore', log, log];
    this.#child = spawn(...enterNamespace(lab.names.node(node), process.execPath, line), { stdio });
    closeSync(log);
  }

  /** Of its page; status 0 while it does not answer. */
  read(path: string): Promise<{ status: number; body: string }> {
    return readSocketPage(this.#socket, path);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}
