import { readCacheEntry, type WantedInterfaces } from './cache-entry.ts';
import type { FileReading } from './entry-file.ts';
import type { SandboxTable } from './sandbox-table.ts';

interface KnownFile {
  readonly version: string;
  /** The content, if it is about a pod. */
  readonly text?: string;
  /** What is wrong with the file. */
  readonly message?: string;
  readonly isReported?: boolean;
}

export type NamedReading = FileReading & { readonly name: string };

/** Passes the content of the cache files to the table. */
export class CacheFiles {
  readonly #table: SandboxTable;
  readonly #problem: (file: string, message: string) => void;
  readonly #interfaces: WantedInterfaces | undefined;
  readonly #files = new Map<string, KnownFile>();

  /** @param problem called once for each problem of a file that has the name of a pod's entry but cannot be used */
  constructor(table: SandboxTable, problem: (file: string, message: string) => void, interfaces?: WantedInterfaces) {
    this.#table = table;
    this.#problem = problem;
    this.#interfaces = interfaces;
  }

  /** Names of the known files. */
  names(): Iterable<string> {
    return this.#files.keys();
  }

  versionOf(name: string): string | undefined {
    return this.#files.get(name)?.version;
  }

  /** @returns the id of the sandbox whose devices must be looked up */
  handle(reading: NamedReading): string | undefined {
    const { name } = reading;
    switch (reading.kind) {
      case 'gone':
        this.#files.delete(name);
        this.#table.drop(name);
        return undefined;
      case 'same':
        // The file has not changed since the last round, so it is complete.
        this.#report(name, this.#files.get(name)!);
        return undefined;
      case 'failed':
        this.#report(name, { version: reading.version, message: reading.message });
        return undefined;
      case 'text':
        return this.#handleText(name, reading.text, reading.version);
    }
  }

  #handleText(name: string, text: string, version: string): string | undefined {
    const known = this.#files.get(name);
    // The kernel reports a new file more than once.
    if (known?.version === version && known.text === text) return undefined;
    const read = readCacheEntry(text, name, this.#interfaces);
    switch (read.kind) {
      case 'sandbox':
        this.#files.set(name, { version, text });
        return this.#table.put(name, read.entry);
      case 'foreign':
        this.#files.set(name, { version });
        this.#table.drop(name);
        return undefined;
      case 'unusable':
        this.#table.drop(name);
        this.#report(name, { version, message: read.message });
        return undefined;
      case 'unreadable':
        // The runtime is probably still writing. The earlier content stays in force, and the next round reports a problem if nothing has changed.
        this.#files.set(name, { version, message: read.message });
        return undefined;
    }
  }

  #report(name: string, file: KnownFile): void {
    const known = this.#files.get(name);
    this.#files.set(name, { ...file, isReported: true });
    if (file.message === undefined || (known?.isReported && known.message === file.message)) return;
    this.#problem(name, file.message);
  }
}
