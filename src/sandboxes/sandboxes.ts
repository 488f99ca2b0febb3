import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NodeFact } from '../model/cluster.ts';
import { isEntryName, type CacheEntry, type WantedInterfaces } from './cache-entry.ts';
import { CacheFiles, type NamedReading } from './cache-files.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { readEntryFile } from './entry-file.ts';
import { LinkQuestions, type DescribeLinks } from './link-questions.ts';
import { SandboxTable } from './sandbox-table.ts';

/** Notifications of the watch besides its facts. All calls are synchronous. */
export interface SandboxObserver {
  /** The watch has emitted all entries of the directory: after the first read, and after the directory has appeared again. */
  listed(sandboxes: number): void;
  /** The directory does not exist or is unreadable. The emitted facts stay in force until it is readable again. */
  lost(message: string): void;
  /** A file has the name of a pod's entry but cannot be used; called once for each problem. */
  problem(file: string, message: string): void;
  /** The facts may be late or incomplete. */
  degraded(message: string): void;
}

/** Takes what the CNI plugin tells about sandboxes that the runtime has not recorded yet. */
export interface SandboxAnnouncer {
  /** A file of this content will appear. Until then, the sandbox counts as if it had. Resolves when the watch has emitted the sandbox; never rejects. */
  announce(file: string, entry: CacheEntry): Promise<void>;
  /** An announced file will not appear. Does nothing if the runtime has written it, because it also removes it. */
  withdraw(file: string): void;
  /** Files that were announced and have not appeared. */
  announced(): readonly string[];
}

export interface SandboxWatchOptions {
  /** The results directory of libcni's cache: absolute, without a trailing slash. It may appear and disappear. */
  readonly directory: string;
  readonly describeLinks: DescribeLinks;
  readonly observer: SandboxObserver;
  readonly signal: AbortSignal;
  /** Default: `eth0`. */
  readonly interfaces?: WantedInterfaces;
  /** How often the watch reads the whole directory, in case the kernel did not report a change. */
  readonly roundMs?: number;
  /** How long the watch waits for a lookup of devices. */
  readonly answerMs?: number;
  /** Called once, before the first read. */
  readonly announcements?: (announcer: SandboxAnnouncer) => void;
}

/**
 * Emits the sandboxes that the container runtime has created on this node, from libcni's cache (K36). libcni writes one file for each sandbox after the
 * plugins have succeeded and before a container runs, and removes it after they have cleaned up. Resolves when the signal aborts, and emits nothing
 * after that.
 */
export function watchSandboxes(options: SandboxWatchOptions, emit: (fact: NodeFact) => void): Promise<void> {
  const watch = new SandboxWatch(options, emit);
  options.announcements?.(watch);
  return watch.run();
}

const defaultRoundMs = 5000;
/** Files open at a time. */
const maxOpen = 32;

class SandboxWatch implements SandboxAnnouncer {
  readonly #options: SandboxWatchOptions;
  readonly #emit: (fact: NodeFact) => void;
  readonly #links: LinkQuestions;
  readonly #table = new SandboxTable();
  readonly #files: CacheFiles;
  /** Names of files that changed since the watch read them. */
  readonly #changed = new Set<string>();
  readonly #announced = new Set<string>();
  #mustList = false;
  /** The watch has emitted all entries, and the directory has existed since. */
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
    this.#files = new CacheFiles(
      this.#table,
      (file, message) => options.observer.problem(file, message),
      options.interfaces,
    );
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
      this.#degrade(
        'changes',
        watch.failure && `the kernel does not report changes in ${directory}, so the agent polls it: ${watch.failure}`,
      );
    };
    const timer = setInterval(check, roundMs);
    const stop = (): void => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      if (!signal.aborted) check();
      while (!signal.aborted) {
        // A change from here on starts another round, even a change of a file that this round reads.
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

  async announce(file: string, entry: CacheEntry): Promise<void> {
    if (this.#options.signal.aborted) return;
    this.#announced.add(file);
    await this.#describe(new Set([this.#table.put(file, entry, true)]));
  }

  withdraw(file: string): void {
    if (!this.#announced.delete(file) || this.#options.signal.aborted) return;
    this.#table.drop(file);
    this.#emitChanges();
  }

  announced(): readonly string[] {
    return [...this.#announced];
  }

  /** A pod without a device on the node ends with its network namespace. Nothing else would show that, if the call of DEL was lost. */
  #withdrawEnded(): void {
    const isGone = (path: string): boolean => existsSync(dirname(path)) && !existsSync(path);
    for (const [file, path] of this.#table.announcedNamespaces()) if (isGone(path)) this.withdraw(file);
  }

  #list(): void {
    this.#mustList = true;
    this.#wake();
  }

  #read(name: string): void {
    if (!this.#isEntryName(name)) return;
    this.#changed.add(name);
    this.#wake();
  }

  #isEntryName(name: string): boolean {
    return isEntryName(name, this.#options.interfaces);
  }

  async #round(): Promise<void> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    const listed = this.#mustList ? await this.#listNames() : undefined;
    const losses = this.#losses;
    const names = new Set([...changed, ...(listed ? [...listed, ...this.#files.names()] : [])]);
    const readings = await this.#readFiles([...names], changed);
    const { signal } = this.#options;
    if (signal.aborted) return;
    const asked = new Set(listed ? [...this.#table.withoutAnswer(), ...this.#table.announced()] : []);
    for (const reading of readings) {
      if (reading.kind === 'gone' && this.#announced.has(reading.name)) continue;
      const id = this.#files.handle(reading);
      if (id === undefined) continue;
      this.#announced.delete(reading.name);
      asked.add(id);
    }
    if (listed) this.#withdrawEnded();
    this.#emitChanges();
    void this.#describe(asked).then(() => {
      if (signal.aborted || !listed || this.#isListed || losses !== this.#losses) return;
      this.#isListed = true;
      this.#lostBecause = undefined;
      this.#options.observer.listed(this.#table.size);
    });
  }

  /** Resolves with `undefined` if the directory cannot be listed. */
  async #listNames(): Promise<string[] | undefined> {
    this.#mustList = false;
    try {
      return (await readdir(this.#options.directory)).filter((name) => this.#isEntryName(name));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#lose(code === 'ENOENT' ? missing(this.#options.directory) : message);
      return undefined;
    }
  }

  /** Sorted by write time, which becomes the order of new sandboxes. */
  async #readFiles(names: readonly string[], changed: ReadonlySet<string>): Promise<NamedReading[]> {
    const readings: NamedReading[] = [];
    for (let first = 0; first < names.length; first += maxOpen) {
      const read = names.slice(first, first + maxOpen).map(async (name): Promise<NamedReading> => {
        // The version cannot tell apart two changes within one tick of the file system's clock.
        const known = changed.has(name) ? undefined : this.#files.versionOf(name);
        return { name, ...(await readEntryFile(join(this.#options.directory, name), known)) };
      });
      readings.push(...(await Promise.all(read)));
    }
    return readings.sort(byTime);
  }

  /** Never rejects, and does not delay the next round. */
  async #describe(ids: ReadonlySet<string>): Promise<void> {
    const devices = this.#table.devicesOf(ids);
    const question = this.#questions++;
    let found;
    try {
      found = devices.size > 0 ? await this.#links.ask(devices) : new Map();
      this.#degrade('links', undefined);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      this.#degrade('links', `the devices of pods are unknown: ${(error as Error).message}`);
    }
    if (this.#options.signal.aborted) return;
    this.#table.describe(ids, devices, found, question);
    for (const file of this.#table.dropEnded()) this.#announced.delete(file);
    this.#emitChanges();
  }

  #emitChanges(): void {
    for (const fact of this.#table.drainChanges()) this.#emit(fact);
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
  return `the directory ${directory} does not exist`;
}

function byTime(a: NamedReading, b: NamedReading): number {
  const [first, second] = [a, b].map((each) => (each.kind === 'text' ? each.writtenAt : 0n)) as [bigint, bigint];
  return first < second ? -1 : first > second ? 1 : 0;
}
