import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** What is done to the disk, one after another. */
export interface FailingDisk {
  readonly steps: readonly string[];
  /** Once more as it was. */
  restore(): void;
}

const ownFunctions = { mkdir: fs.mkdir, open: fs.open, rename: fs.rename, rm: fs.rm };
type Step = (...args: never[]) => Promise<unknown>;

/**
 * From the step with this number on, counted from 0, every step of every user of `node:fs/promises` in this process fails, as after a
 * crash; of a text that was to be written then, half is. `once`: the steps after it succeed.
 */
export function failFrom(first: number, error: Error, { once = false } = {}): FailingDisk {
  const steps: string[] = [];
  const isBroken = (): boolean => (once ? steps.length === first + 1 : steps.length > first);

  const breakable = <F extends Step>(name: string, own: F): F =>
    (async (...args: never[]) => {
      steps.push(name);
      if (isBroken()) throw error;
      return own(...args);
    }) as F;

  const wrapHandle = (handle: FileHandle): FileHandle => {
    const writeFile = handle.writeFile.bind(handle);
    const sync = handle.sync.bind(handle);
    const close = handle.close.bind(handle);
    handle.writeFile = async (data) => {
      steps.push('write');
      const text = [...(data as Iterable<string>)].join('');
      await writeFile(isBroken() ? text.slice(0, text.length / 2) : text);
      if (isBroken()) throw error;
    };
    handle.sync = breakable('sync', sync);
    handle.close = async () => {
      // Also of a process that is gone, files are closed.
      await close();
      await breakable('close', async () => undefined)();
    };
    return handle;
  };

  const { mkdir, open, rename, rm } = ownFunctions;
  const openWrapped: typeof open = async (...args) => wrapHandle(await open(...args));
  Object.assign(fs, {
    mkdir: breakable('mkdir', mkdir as Step),
    open: breakable('open', openWrapped as Step),
    rename: breakable('rename', rename as Step),
    rm: breakable('rm', rm as Step),
  });
  syncBuiltinESMExports();
  return {
    steps,
    restore() {
      Object.assign(fs, ownFunctions);
      syncBuiltinESMExports();
    },
  };
}
