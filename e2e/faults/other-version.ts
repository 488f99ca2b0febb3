import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Applied } from '../../src/lab/agent-process.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { BrokenNft } from './broken-nft.ts';
import type { NodeName, Scene } from './scene.ts';

const root = resolve(import.meta.dirname, '../..');
const otherVersion = '0.0.0-other';

/** Edits for a copy of the sources with another version and another hook priority, so that each version rewrites the other's table. */
const edits: readonly (readonly [file: string, find: string, replace: string])[] = [
  ['src/compile/base-chains.ts', 'const hookPriority = -10;', 'const hookPriority = -11;'],
];

/** `postern agent` of another version on a node of the lab, instead of the lab's agent or beside it. */
export class OtherAgent {
  readonly nft: BrokenNft;
  readonly #folder: string;
  readonly #socket: string;
  readonly #child: ChildProcess;

  private constructor(scene: Scene, node: NodeName, folder: string, nft: BrokenNft) {
    const directory = scene.lab.state.nodeDirectory(node);
    this.#folder = folder;
    this.#socket = join(directory, 'other.sock');
    this.nft = nft;
    const args = [
      '--node-name',
      node,
      '--kubeconfig',
      join(directory, 'kubeconfig'),
      '--listen',
      `unix:${this.#socket}`,
    ];
    const variables = Object.entries(scene.agentEnv(nft)).map(([name, value]) => `${name}=${value}`);
    const line = [...variables, process.execPath, join(folder, 'src/main.ts'), 'agent', ...args];
    const log = openSync(join(directory, 'other.log'), 'a');
    const command = enterNamespace(scene.lab.names.node(node), 'env', line);
    this.#child = spawn(...command, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
  }

  /** Calls `atStart` right before the process starts. */
  static async start(scene: Scene, node: NodeName, atStart = async (): Promise<void> => {}): Promise<OtherAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'postern-faults-version-'));
    await cp(join(root, 'src'), join(folder, 'src'), { recursive: true });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await edit('package.json', /"version": "[^"]*"/, `"version": "${otherVersion}"`, folder);
    for (const [file, find, replace] of edits) await edit(file, find, replace, folder);
    const nft = await BrokenNft.create();
    await atStart();
    return new OtherAgent(scene, node, folder, nft);
  }

  async page(path: string): Promise<string> {
    const asked = request({ socketPath: this.#socket, path }).end();
    try {
      const [response] = (await once(asked, 'response')) as [Parameters<typeof text>[0]];
      return await text(response);
    } catch {
      return '';
    }
  }

  async applied(): Promise<Applied | undefined> {
    const page = await this.page('/applied');
    return page === '' ? undefined : (JSON.parse(page) as Applied);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill(signal);
      await ended;
    }
    await this.nft.remove();
    await rm(this.#folder, { recursive: true });
  }
}

async function edit(file: string, find: string | RegExp, replace: string, folder: string): Promise<void> {
  const before = await readFile(join(root, file), 'utf8');
  const after = before.replace(find, replace);
  if (after === before) throw new Error(`${file} has no ${String(find)}`);
  await writeFile(join(folder, file), after);
}
