import { statSync, watch, type BigIntStats, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface DirectoryWatchOptions {
  readonly directory: string;
  /** The directory is there, now or again: what is in it may be all new. */
  readonly opened: () => void;
  /** It is not there, now or any more. */
  readonly lost: () => void;
  /** Something happened to this name in it; `undefined` where it is not told to which. */
  readonly changed: (name: string | undefined) => void;
}

/** Follows a directory that may come and go, by the nearest one above it that there is. */
export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions;
  #watcher: FSWatcher | undefined;
  #watched = '';
  /** Of what is watched: under the same name there may be another by now. */
  #identity: string | undefined;
  #failure: string | undefined;
  /** `undefined` before the first look. */
  #isOpen: boolean | undefined;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
  }

  /** Why changes are not told (the kernel gives only so many watches), or `undefined`. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get isOpen(): boolean {
    return this.#isOpen === true;
  }

  /** Looks whether what is watched is still the right thing. Called at the start, and now and then for what the kernel did not tell. */
  check(): void {
    const nearest = findNearest(this.#options.directory);
    if (!this.#watcher || nearest.path !== this.#watched || nearest.identity !== this.#identity) this.#open();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #open(): void {
    for (;;) {
      this.close();
      const { path, identity } = findNearest(this.#options.directory);
      this.#watched = path;
      this.#identity = identity;
      this.#failure = undefined;
      try {
        this.#watcher = watch(path, (type, name) => this.#onEvent(path, type, name ?? undefined));
        this.#watcher.on('error', (error) => this.#fail(error));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        this.#fail(error as Error);
        break;
      }
      // It may have come, or gone, before it was watched.
      const now = findNearest(this.#options.directory);
      if (now.path === path && now.identity === identity) break;
    }
    const isOpen = this.#watched === this.#options.directory;
    const isNews = isOpen || this.#isOpen !== false;
    this.#isOpen = isOpen;
    if (isNews) (isOpen ? this.#options.opened : this.#options.lost)();
  }

  #fail(error: Error): void {
    this.close();
    this.#failure = error.message;
  }

  #onEvent(path: string, type: string, name: string | undefined): void {
    // What happens to a directory itself is told under its own name. Made again, it may have the same number.
    if (type === 'rename' && name === basename(path)) this.#open();
    else if (path !== this.#options.directory) this.check();
    if (path === this.#options.directory && this.#isOpen) this.#options.changed(name);
  }
}

function findNearest(directory: string): { readonly path: string; readonly identity: string | undefined } {
  for (let path = directory; ; path = dirname(path)) {
    const status = statusOf(path);
    if (status?.isDirectory()) return { path, identity: `${status.dev} ${status.ino}` };
    if (path === dirname(path)) return { path, identity: undefined };
  }
}

/** `undefined` for what is not there, and for what we may not see. */
function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}
