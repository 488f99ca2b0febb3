import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeFact } from '../model/cluster.ts';
import { isEntryName } from './cache-entry.ts';
import { CacheFiles, type NamedReading } from './cache-files.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { readEntryFile } from './entry-file.ts';
import { LinkQuestions, type DescribeLinks } from './link-questions.ts';
import { SandboxTable } from './sandbox-table.ts';

/** What the watch tells besides its facts. All calls are synchronous. */
export interface SandboxObserver {
  /** All that the directory holds has been told: when it has been read for the first time, and when it is there again. */
  listed(sandboxes: number): void;
  /** There is no such directory (any more), or it cannot be read. What was told stays as it is until there is one again. */
  lost(message: string): void;
  /** A file that looks like a pod's and tells nothing; once for each way in which it does. */
  problem(file: string, message: string): void;
  /** The facts may be late or say less than they could. */
  degraded(message: string): void;
}

export interface SandboxWatchOptions {
  /** The cache's folder of results: absolute, without a slash at its end. It may come, go and come again. */
  readonly directory: string;
  readonly describeLinks: DescribeLinks;
  readonly observer: SandboxObserver;
  readonly signal: AbortSignal;
  /** How often everything is looked at anew, for what the kernel did not tell. */
  readonly roundMs?: number;
  /** How long an answer about devices is waited for. */
  readonly answerMs?: number;
}

/**
 * Tells which sandboxes the container runtime has made on this node, as libcni notes them (K36): a file each, written when the plugins have
 * succeeded and before a container runs, removed when they have cleaned up. Resolves when the signal is aborted, and tells nothing then.
 */
export function watchSandboxes(options: SandboxWatchOptions, emit: (fact: NodeFact) => void): Promise<void> {
  return new SandboxWatch(options, emit).run();
}

const defaultRoundMs = 5000;
/** Files open at a time. */
const maxOpen = 32;

class SandboxWatch {
  readonly #options: SandboxWatchOptions;
  readonly #emit: (fact: NodeFact) => void;
  readonly #links: LinkQuestions;
  readonly #table = new SandboxTable();
  readonly #files: CacheFiles;
  /** Names of which something was told since they were read. */
  readonly #changed = new Set<string>();
  #mustList = false;
  /** What the directory holds has been told, and it is there since. */
  #isListed = false;
  /** How often the directory was lost. */
  #losses = 0;
  #lostBecause: string | undefined;
  readonly #degradedBecause = new Map<'changes' | 'links', string>();
  #questions = 0;
  #wake: () => void = () => {};

  constructor(options: SandboxWatchOptions, emit: (fact: NodeFact) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#links = new LinkQuestions(options);
    this.#files = new CacheFiles(this.#table, (file, message) => options.observer.problem(file, message));
  }

  async run(): Promise<void> {
    const { directory, signal, roundMs = defaultRoundMs } = this.#options;
    const watch = new DirectoryWatch({
      directory,
      opened: () => this.#list(),
      lost: () => this.#lose(missing(directory)),
      changed: (name) => (name === undefined ? this.#list() : this.#read(name)),
    });
    const check = (): void => {
      watch.check();
      if (watch.isOpen) this.#list();
      this.#degrade('changes', watch.failure && `changes in ${directory} are not told by the kernel: ${watch.failure}`);
    };
    const timer = setInterval(check, roundMs);
    const stop = (): void => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      if (!signal.aborted) check();
      while (!signal.aborted) {
        // From here on a change calls for another round, be it of what is read in this one.
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await this.#round();
        if (!signal.aborted) await promise;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      clearInterval(timer);
      watch.close();
    }
  }

  #list(): void {
    this.#mustList = true;
    this.#wake();
  }

  #read(name: string): void {
    if (!isEntryName(name)) return;
    this.#changed.add(name);
    this.#wake();
  }

  async #round(): Promise<void> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    const listed = this.#mustList ? await this.#namesThere() : undefined;
    const losses = this.#losses;
    const names = new Set([...changed, ...(listed ? [...listed, ...this.#files.names()] : [])]);
    const readings = await this.#readFiles([...names], changed);
    const { signal } = this.#options;
    if (signal.aborted) return;
    const asked = new Set(listed ? this.#table.withoutAnswer() : []);
    for (const reading of readings) {
      const id = this.#files.take(reading);
      if (id !== undefined) asked.add(id);
    }
    this.#tell();
    void this.#describe(asked).then(() => {
      if (signal.aborted || !listed || this.#isListed || losses !== this.#losses) return;
      this.#isListed = true;
      this.#lostBecause = undefined;
      this.#options.observer.listed(this.#table.size);
    });
  }

  /** `undefined` if they cannot be listed. */
  async #namesThere(): Promise<string[] | undefined> {
    this.#mustList = false;
    try {
      return (await readdir(this.#options.directory)).filter(isEntryName);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#lose(code === 'ENOENT' ? missing(this.#options.directory) : message);
      return undefined;
    }
  }

  /** In the order in which they were written, so that this is the order of what is new. */
  async #readFiles(names: readonly string[], changed: ReadonlySet<string>): Promise<NamedReading[]> {
    const readings: NamedReading[] = [];
    for (let first = 0; first < names.length; first += maxOpen) {
      const read = names.slice(first, first + maxOpen).map(async (name): Promise<NamedReading> => {
        // Of two changes within one tick of the file system's clock the version tells one.
        const known = changed.has(name) ? undefined : this.#files.versionOf(name);
        return { name, ...(await readEntryFile(join(this.#options.directory, name), known)) };
      });
      readings.push(...(await Promise.all(read)));
    }
    return readings.sort(byTime);
  }

  /** Rejects never, and does not hold up the next round. */
  async #describe(ids: ReadonlySet<string>): Promise<void> {
    const devices = this.#table.devicesOf(ids);
    const question = this.#questions++;
    let found;
    try {
      found = devices.size > 0 ? await this.#links.ask(devices) : new Map();
      this.#degrade('links', undefined);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      this.#degrade('links', `the links of pods are not known: ${(error as Error).message}`);
    }
    if (this.#options.signal.aborted) return;
    this.#table.describe(ids, devices, found, question);
    this.#tell();
  }

  #tell(): void {
    for (const fact of this.#table.news()) this.#emit(fact);
  }

  #lose(message: string): void {
    this.#isListed = false;
    this.#losses++;
    if (this.#lostBecause === message) return;
    this.#lostBecause = message;
    this.#options.observer.lost(message);
  }

  #degrade(what: 'changes' | 'links', message: string | undefined): void {
    if (message === this.#degradedBecause.get(what)) return;
    if (message === undefined) {
      this.#degradedBecause.delete(what);
    } else {
      this.#degradedBecause.set(what, message);
      this.#options.observer.degraded(message);
    }
  }
}

function missing(directory: string): string {
  return `there is no directory ${directory}`;
}

function byTime(a: NamedReading, b: NamedReading): number {
  const [first, second] = [a, b].map((each) => (each.kind === 'text' ? each.writtenAt : 0n)) as [bigint, bigint];
  return first < second ? -1 : first > second ? 1 : 0;
}
