import { constants } from 'node:fs';
import { open, readdir, readFile, rename, stat, unlink, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfFile, FileOperation, HostState } from './install-plan.ts';
import { pluginType } from './plugin-entry.ts';

export interface HostDirectories {
  readonly conf: string;
  readonly bin: string;
  /** The program to install. */
  readonly program: string;
}

/** Another program has changed a file since it was read. */
export class ChangedMeanwhile extends Error {}

const maxConfBytes = 1 << 20;

/** Reads what `planInstall` needs. Rejects if a directory cannot be read. */
export async function readHostState({ conf, bin, program }: HostDirectories): Promise<HostState> {
  const files = (await readdir(conf)).map(async (name) => [name, await readConf(join(conf, name))] as const);
  const programs = (await readdir(bin)).filter((name) => name === pluginType || name.startsWith(`.${pluginType}.`));
  const [installed, wanted] = await Promise.all([
    readFile(join(bin, pluginType)).catch(() => undefined),
    readFile(program).catch(() => undefined),
  ]);
  const isExecutable = await stat(join(bin, pluginType)).then(
    ({ mode }) => (mode & 0o111) === 0o111,
    () => false,
  );
  return {
    conf: new Map((await Promise.all(files)).flatMap(([name, file]) => (file ? [[name, file]] : []))),
    bin: new Set(programs),
    isProgramCurrent: isExecutable && wanted !== undefined && installed?.equals(wanted) === true,
  };
}

/** Runs one operation. Rejects with ChangedMeanwhile if the plan is out of date. */
export async function runOperation(operation: FileOperation, directories: HostDirectories): Promise<void> {
  const directory = directories[operation.place];
  switch (operation.op) {
    case 'create': {
      const { name, text, mode } = operation;
      const content = text ?? (await readFile(directories.program));
      await using file = await open(join(directory, name), 'w', mode);
      await file.writeFile(content);
      // Without the umask.
      await file.chmod(mode & 0o7777);
      return;
    }
    case 'sync':
      return syncPath(join(directory, operation.name));
    case 'sync-directory':
      return syncPath(directory);
    case 'remove':
      return unlink(join(directory, operation.name));
    case 'rename': {
      const { from, to, moves, replaces } = operation;
      if (moves !== undefined) await expectVersion(join(directory, from), moves);
      if (replaces !== undefined) await expectVersion(join(directory, to), replaces);
      return rename(join(directory, from), join(directory, to));
    }
  }
}

async function expectVersion(path: string, version: string | null): Promise<void> {
  const found = await versionOf(path);
  if (found !== version) throw new ChangedMeanwhile(`another program has changed ${path}`);
}

async function versionOf(path: string): Promise<string | null> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await lstat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** `undefined` if the file has just been removed. */
async function readConf(path: string): Promise<ConfFile | undefined> {
  const version = await versionOf(path);
  if (version === null) return undefined;
  const { mode, size } = await lstat(path);
  const isUsual = (mode & constants.S_IFMT) === constants.S_IFREG && size <= maxConfBytes;
  const bytes = isUsual ? await readFile(path).catch(() => undefined) : undefined;
  const text = bytes?.toString();
  // Bytes that are no UTF-8 would not stay as they are.
  const isExact = text !== undefined && Buffer.from(text).equals(bytes!);
  return { text: isExact ? text : undefined, mode: mode & 0o777, version };
}

async function syncPath(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
