import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './error.ts';
import { isLabName, LabNames } from './names.ts';
import { deleteNamespace, listNamespaces } from './network-namespace.ts';

export const defaultStateRoot = '/run/postern-lab';
export const defaultLabName = 'lab';

/** Process ids are used again; together with its start time one is not. */
interface Owner {
  readonly pid: number;
  readonly startTime: string;
}

/** Where a lab keeps its sockets, logs and CNI state, and says whose it is. */
export class LabState {
  readonly directory: string;
  readonly names: LabNames;
  readonly #name: string;
  readonly #root: string;

  constructor(name: string, root: string = defaultStateRoot) {
    this.names = new LabNames(name);
    this.#name = name;
    this.#root = root;
    this.directory = join(root, name);
  }

  get apiSocket(): string {
    return join(this.directory, 'api.sock');
  }

  get controlSocket(): string {
    return join(this.directory, 'control.sock');
  }

  get logFile(): string {
    return join(this.directory, 'lab.log');
  }

  /** The command line that does something with this lab. */
  command(verb: string): string {
    const name = this.#name === defaultLabName ? [] : ['--name', this.#name];
    const root = this.#root === defaultStateRoot ? [] : ['--state-dir', this.#root];
    return ['postern', 'lab', verb, ...name, ...root].join(' ');
  }

  /** Says which kubeconfig the lab was pointed at, so that `down` finds what a crash left there. */
  async rememberKubeconfig(file: string): Promise<void> {
    await writeFile(this.#kubeconfigFile, file);
  }

  /** The file that was remembered. */
  async kubeconfig(): Promise<string | undefined> {
    return readFile(this.#kubeconfigFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  nodeDirectory(node: string): string {
    return join(this.directory, 'nodes', node);
  }

  /** Of libcni: /var/lib/cni on a node of a real cluster. */
  cniDirectory(node: string): string {
    return join(this.nodeDirectory(node), 'cni');
  }

  /** Takes the name for this process. What a dead owner left is removed first; a living one is LabError `state`. */
  async claim(): Promise<void> {
    const owner = await this.owner();
    if (owner !== undefined) {
      throw new LabError('state', `lab ${this.#name} is up (pid ${owner}); end it with: ${this.command('down')}`);
    }
    await this.remove();
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const { pid } = process;
    await writeFile(this.#ownerFile, JSON.stringify({ pid, startTime: await startTime(pid) }));
  }

  /** The process id of a living owner. */
  async owner(): Promise<number | undefined> {
    try {
      const owner = JSON.parse(await readFile(this.#ownerFile, 'utf8')) as Owner;
      return owner.startTime === (await startTime(owner.pid)) ? owner.pid : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** For people, where this lab does not answer: why, and what to do. */
  async explainAbsence(): Promise<string> {
    const hasOwner = (await this.owner()) !== undefined;
    if (hasOwner) return `lab ${this.#name} is not up yet, or on its way down`;
    if (await this.#hasRemains()) {
      return `lab ${this.#name} ended without being taken down; remove what is left with: ${this.command('down')}`;
    }
    const others = await this.othersUp();
    if (others.length === 0) return `no lab is up; start one with: ${this.command('up')}`;
    return `lab ${this.#name} is not up, but ${others.join(' and ')}: choose with --name`;
  }

  /** Everything that a lab of this name has on the machine, whether its owner lives or not. True if there was any. */
  async remove(): Promise<boolean> {
    const existed = await this.#hasRemains();
    await Promise.all((await listNamespaces(this.names.prefix)).map(deleteNamespace));
    await rm(this.directory, { recursive: true, force: true });
    // Other labs may be in it; then it stays.
    if (this.#root === defaultStateRoot) await rmdir(defaultStateRoot).catch(() => {});
    return existed;
  }

  async #hasRemains(): Promise<boolean> {
    if ((await listNamespaces(this.names.prefix)).length > 0) return true;
    return readFile(this.#ownerFile).then(
      () => true,
      () => false,
    );
  }

  /** Labs of other names that are up. */
  async othersUp(): Promise<string[]> {
    const entries = await readdir(this.#root).catch(() => []);
    const names = entries.filter((name) => isLabName(name) && name !== this.#name).sort();
    const owners = await Promise.all(names.map((name) => new LabState(name, this.#root).owner()));
    return names.filter((_, index) => owners[index] !== undefined);
  }

  get #kubeconfigFile(): string {
    return join(this.directory, 'kubeconfig-path');
  }

  get #ownerFile(): string {
    return join(this.directory, 'owner.json');
  }
}

/** In clock ticks since boot: field 22 of proc_pid_stat(5), counted from behind the name, which may contain anything. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
