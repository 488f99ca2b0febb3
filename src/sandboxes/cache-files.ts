import { readCacheEntry } from './cache-entry.ts';
import type { FileReading } from './entry-file.ts';
import type { SandboxTable } from './sandbox-table.ts';

interface KnownFile {
  readonly version: string;
  /** Of a pod's file. */
  readonly text?: string;
  /** What is wrong with it. */
  readonly message?: string;
  readonly isReported?: boolean;
}

export type NamedReading = FileReading & { readonly name: string };

/** What the files say, on its way into the table. */
export class CacheFiles {
  readonly #table: SandboxTable;
  readonly #problem: (file: string, message: string) => void;
  readonly #files = new Map<string, KnownFile>();

  /** @param problem called once for each way in which a file that looks like a pod's tells nothing */
  constructor(table: SandboxTable, problem: (file: string, message: string) => void) {
    this.#table = table;
    this.#problem = problem;
  }

  /** Of those that were there. */
  names(): Iterable<string> {
    return this.#files.keys();
  }

  versionOf(name: string): string | undefined {
    return this.#files.get(name)?.version;
  }

  /** @returns the sandbox whose devices have to be asked about */
  take(reading: NamedReading): string | undefined {
    const { name } = reading;
    switch (reading.kind) {
      case 'gone':
        this.#files.delete(name);
        this.#table.drop(name);
        return undefined;
      case 'same':
        // Nobody is writing it any more.
        this.#report(name, this.#files.get(name)!);
        return undefined;
      case 'failed':
        this.#report(name, { version: reading.version, message: reading.message });
        return undefined;
      case 'text':
        return this.#takeText(name, reading.text, reading.version);
    }
  }

  #takeText(name: string, text: string, version: string): string | undefined {
    const known = this.#files.get(name);
    // A file that is made is told of more than once.
    if (known?.version === version && known.text === text) return undefined;
    const read = readCacheEntry(text, name);
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
        // Half-written, as likely as not: what it said before stays, and it is a problem if it is still so in the next round.
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
