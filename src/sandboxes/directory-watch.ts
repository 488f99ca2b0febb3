import { statSync, watch, type BigIntStats, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface DirectoryWatchOptions {
  readonly directory: string;
  /** The directory exists, for the first time or again. All its files may be new. */
  readonly opened: () => void;
  /** The directory does not exist, or no longer exists. */
  readonly lost: () => void;
  /** The file of this name changed; `undefined` if the kernel did not report the name. */
  readonly changed: (name: string | undefined) => void;
}

/** Watches a directory that may appear and disappear. While it is missing, it watches the nearest existing parent. */
export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions;
  #watcher: FSWatcher | undefined;
  #watched = '';
  /** Device and inode of the watched directory: another directory may have its path by now. */
  #identity: string | undefined;
  #failure: string | undefined;
  /** `undefined` before the first check. */
  #isOpen: boolean | undefined;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
  }

  /** Why the kernel does not report changes, for example because all inotify watches are in use; else `undefined`. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get isOpen(): boolean {
    return this.#isOpen === true;
  }

  /** Checks whether the right directory is watched. Call it at the start and regularly, because the kernel does not report every change. */
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
      // The directory may have appeared or disappeared before the watch started.
      const now = findNearest(this.#options.directory);
      if (now.path === path && now.identity === identity) break;
    }
    const isOpen = this.#watched === this.#options.directory;
    const hasChanged = isOpen || this.#isOpen !== false;
    this.#isOpen = isOpen;
    if (hasChanged) (isOpen ? this.#options.opened : this.#options.lost)();
  }

  #fail(error: Error): void {
    this.close();
    this.#failure = error.message;
  }

  #onEvent(path: string, type: string, name: string | undefined): void {
    // The kernel reports a change of the directory itself under its own name. A new directory may get the same inode number.
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

/** `undefined` if the path does not exist or is not accessible. */
function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}
