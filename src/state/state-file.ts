import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SavedState } from './saved-state.ts';
import { decodeState } from './state-text.ts';
import { messageOf } from '../lib/message-of.ts';

const stateFileName = 'state.json';
/** One is kept, the last: for whoever wants to know what it was. */
const rejectedFileName = 'state.json.rejected';

/** The state cannot be read or written; the message says where, and the cause why. */
export class StateError extends Error {
  override readonly name = 'StateError';
  readonly code = 'state';
}

export type LoadedState =
  | { readonly kind: 'none' }
  | { readonly kind: 'state'; readonly state: SavedState; readonly savedAt: Date }
  /** A whole sentence for people. */
  | { readonly kind: 'unusable'; readonly problem: string };

/** The state that this node has kept. One that cannot be used is renamed, so that it stays to be looked at. Never rejects. */
export async function loadState(directory: string, node: string): Promise<LoadedState> {
  const path = join(directory, stateFileName);
  let text: string;
  let savedAt: Date;
  try {
    text = await readFile(path, 'utf8');
    savedAt = (await stat(path)).mtime;
  } catch (error) {
    if (isMissing(error)) return { kind: 'none' };
    return { kind: 'unusable', problem: `${path} cannot be read: ${messageOf(error)}` };
  }
  const decoded = decodeState(text);
  if (!('problem' in decoded) && decoded.node === node) return { kind: 'state', state: decoded.state, savedAt };
  const problem = 'problem' in decoded ? decoded.problem : `it is of node ${decoded.node}, and this is ${node}`;
  const kept = await rename(path, join(directory, rejectedFileName)).then(
    () => `kept as ${rejectedFileName}`,
    (error: unknown) => `and cannot be renamed: ${messageOf(error)}`,
  );
  return { kind: 'unusable', problem: `${path} is not used, for ${problem}; ${kept}` };
}

/** Leaves nothing of a state: after us, another must not take it for what is true. Rejects with a StateError. */
export async function forgetState(directory: string): Promise<void> {
  try {
    for (const name of [stateFileName, rejectedFileName]) await rm(join(directory, name), { force: true });
  } catch (error) {
    throw new StateError(`the state of this node cannot be deleted in ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Whoever reads, also after a crash or a loss of power, finds the old text or the new one, whole. Rejects with a StateError; the old
 * text then stays. Only one may write at a time.
 */
export async function writeState(directory: string, text: string): Promise<void> {
  const path = join(directory, stateFileName);
  const temporary = `${path}.tmp`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // One that a crash has left may be anything.
    await rm(temporary, { force: true });
    await writeDurably(temporary, text);
    await rename(temporary, path);
    await syncFolder(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new StateError(`the state of this node cannot be kept in ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk when its folder is (fsync(2)). */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
