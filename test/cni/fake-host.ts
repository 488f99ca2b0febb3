import type { FileOperation, HostState, Place } from '../../src/cni/install-plan.ts';
import { pluginType } from '../../src/cni/plugin-entry.ts';

interface FakeFile {
  readonly text: string;
  readonly mode: number;
  readonly version: number;
}

export const newProgram = 'new program';

/** The two directories of a node in memory. It refuses what the kernel refuses. */
export class FakeHost {
  readonly #files: Readonly<Record<Place, Map<string, FakeFile>>> = { conf: new Map(), bin: new Map() };
  #versions = 0;

  write(place: Place, name: string, text: string, mode = 0o644): this {
    this.#files[place].set(name, { text, mode, version: ++this.#versions });
    return this;
  }

  remove(place: Place, name: string): void {
    if (!this.#files[place].delete(name)) throw new Error(`ENOENT: ${name}`);
  }

  copy(): FakeHost {
    const host = new FakeHost();
    for (const place of ['conf', 'bin'] as const)
      for (const [name, { text, mode }] of this.#files[place]) host.write(place, name, text, mode);
    return host;
  }

  read(place: Place, name: string): string | undefined {
    return this.#files[place].get(name)?.text;
  }

  modeOf(place: Place, name: string): number | undefined {
    return this.#files[place].get(name)?.mode;
  }

  names(place: Place): string[] {
    return [...this.#files[place].keys()].sort();
  }

  get state(): HostState {
    const conf = this.#files.conf
      .entries()
      .map(([name, { text, mode, version }]) => [name, { text, mode, version: String(version) }] as const);
    const bin = [...this.#files.bin.keys()].filter((name) => name.includes(pluginType));
    return { conf: new Map(conf), bin: new Set(bin), isProgramCurrent: this.read('bin', pluginType) === newProgram };
  }

  /** @param share how much of a created file is written before the process is killed */
  run(operation: FileOperation, share = 1): void {
    const files = this.#files[operation.place];
    switch (operation.op) {
      case 'create': {
        const { name, text = newProgram, mode } = operation;
        this.write(operation.place, name, text.slice(0, Math.floor(text.length * share)), mode);
        return;
      }
      case 'rename': {
        const { from, to, moves, replaces } = operation;
        const file = files.get(from);
        if (!file) throw new Error(`ENOENT: ${from}`);
        if (moves !== undefined && String(file.version) !== moves) throw new Error(`${from} has changed`);
        const target = files.get(to);
        if (replaces !== undefined && (target ? String(target.version) : null) !== replaces)
          throw new Error(`${to} has changed`);
        files.delete(from);
        files.set(to, file);
        return;
      }
      case 'remove':
        return this.remove(operation.place, operation.name);
      case 'sync':
        if (!files.has(operation.name)) throw new Error(`ENOENT: ${operation.name}`);
        return;
      case 'sync-directory':
        return;
    }
  }

  /** Whether the runtime can start pods: the plugins of the first configuration. Throws if a program is missing or incomplete. */
  pluginsInUse(): unknown[] {
    const [first] = this.names('conf').filter((name) => /\.(conf|conflist|json)$/.test(name));
    if (first === undefined) throw new Error('there is no network configuration');
    const object = JSON.parse(this.read('conf', first)!) as { plugins?: { type: string }[]; type?: string };
    const plugins = first.endsWith('.conflist') ? object.plugins! : [object as { type: string }];
    for (const { type } of plugins) {
      const program = this.read('bin', type);
      if (program === undefined) throw new Error(`${first} names ${type}, which is not installed`);
      if (type === pluginType && !/^(old|new) program$/.test(program)) throw new Error(`${type} is not complete`);
    }
    return plugins;
  }
}
