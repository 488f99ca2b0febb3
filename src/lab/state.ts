import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './error.ts';
import { isLabName, LabNames } from './names.ts';
import { deleteNamespace, listNamespaces } from './network-namespace.ts';

export const defaultStateRoot = '/run/postern-lab';
export const defaultLabName = 'lab';

/** A pid with its start time, because the kernel reuses pids. */
interface Owner {
  readonly pid: number;
  readonly startTime: string;
}

/** The folder of a lab: sockets, logs, CNI state and the owner. */
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

  /** The command line of `postern lab VERB` for this lab. */
  command(verb: string): string {
    const name = this.#name === defaultLabName ? [] : ['--name', this.#name];
    const root = this.#root === defaultStateRoot ? [] : ['--state-dir', this.#root];
    return ['postern', 'lab', verb, ...name, ...root].join(' ');
  }

  /** Stores the path of the kubeconfig, so that `down` can delete objects after a crash. */
  async rememberKubeconfig(file: string): Promise<void> {
    await writeFile(this.#kubeconfigFile, file);
  }

  /** The stored path. */
  async kubeconfig(): Promise<string | undefined> {
    return readFile(this.#kubeconfigFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  nodeDirectory(node: string): string {
    return join(this.directory, 'nodes', node);
  }

  /** Directory of libcni: /var/lib/cni on a node of a real cluster. */
  cniDirectory(node: string): string {
    return join(this.nodeDirectory(node), 'cni');
  }

  /** Makes this process the owner. Removes the remains of a dead owner first. Rejects with LabError `state` if the owner lives. */
  async claim(): Promise<void> {
    const owner = await this.owner();
    if (owner !== undefined) {
      throw new LabError('state', `lab ${this.#name} is running (pid ${owner}); stop it with: ${this.command('down')}`);
    }
    await this.remove();
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const { pid } = process;
    await writeFile(this.#ownerFile, JSON.stringify({ pid, startTime: await startTime(pid) }));
  }

  /** Pid of a living owner. */
  async owner(): Promise<number | undefined> {
    try {
      const owner = JSON.parse(await readFile(this.#ownerFile, 'utf8')) as Owner;
      return owner.startTime === (await startTime(owner.pid)) ? owner.pid : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** The message for a lab that does not answer: why, and what to do. */
  async explainAbsence(): Promise<string> {
    const hasOwner = (await this.owner()) !== undefined;
    if (hasOwner) return `lab ${this.#name} is starting or stopping`;
    if (await this.#hasRemains()) {
      return `lab ${this.#name} crashed; remove its remains with: ${this.command('down')}`;
    }
    const others = await this.othersUp();
    if (others.length === 0) return `no lab is running; start one with: ${this.command('up')}`;
    return `lab ${this.#name} is not running, but ${others.join(' and ')}: choose with --name`;
  }

  /** Removes all namespaces and files of this lab, also while its owner lives. Returns whether there were any. */
  async remove(): Promise<boolean> {
    const existed = await this.#hasRemains();
    await Promise.all((await listNamespaces(this.names.prefix)).map(deleteNamespace));
    await rm(this.directory, { recursive: true, force: true });
    // Fails, and is ignored, while other labs have folders in it.
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

  /** Names of other running labs. */
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

/** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). Counts from the last ")", because the name may contain any text. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
