import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SavedState } from './saved-state.ts';
import { decodeState } from './state-text.ts';
import { messageOf } from '../lib/message-of.ts';

const stateFileName = 'state.json';
/** What policies in audit would have denied, kept over a restart of the agent. */
export const auditsFileName = 'audits.json';
/** The last unusable state, kept for operators. */
const rejectedFileName = 'state.json.rejected';

/** Writing or deleting the state failed. The message names the directory, and the cause has the reason. */
export class StateError extends Error {
  override readonly name = 'StateError';
  readonly code = 'state';
}

export type LoadedState =
  | { readonly kind: 'none' }
  | { readonly kind: 'state'; readonly state: SavedState; readonly savedAt: Date }
  /** A whole sentence for operators. */
  | { readonly kind: 'unusable'; readonly problem: string };

/** Reads the saved state of this node. Renames an unusable state, so that operators can look at it. Never rejects. */
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
  const problem = 'problem' in decoded ? decoded.problem : `it belongs to node ${decoded.node}, and this is ${node}`;
  const kept = await rename(path, join(directory, rejectedFileName)).then(
    () => `renamed to ${rejectedFileName}`,
    (error: unknown) => `renaming it failed: ${messageOf(error)}`,
  );
  return { kind: 'unusable', problem: `${path} is not used: ${problem}; ${kept}` };
}

/** Deletes the state files, so that a later agent does not use an old state. Rejects with a StateError. */
export async function deleteState(directory: string): Promise<void> {
  try {
    for (const name of [stateFileName, rejectedFileName, auditsFileName])
      await rm(join(directory, name), { force: true });
  } catch (error) {
    throw new StateError(`cannot delete the state of this node in ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Replaces the state atomically. Rejects with a StateError, and then the old text stays. */
export function writeState(directory: string, chunks: readonly string[]): Promise<void> {
  return replaceFile(directory, stateFileName, chunks);
}

/**
 * Replaces a file atomically: a reader finds the whole old or the whole new text, also after a crash or a power loss. Rejects with a StateError,
 * and then the old text stays. Only one process may write at a time.
 * @param chunks The text in pieces, because the conversion of a large text to bytes takes long.
 */
export async function replaceFile(directory: string, name: string, chunks: readonly string[]): Promise<void> {
  const path = join(directory, name);
  const temporary = `${path}.tmp`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // A crash may have left a temporary file of any content.
    await rm(temporary, { force: true });
    await writeDurably(temporary, chunks);
    await rename(temporary, path);
    await syncFolder(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new StateError(`cannot save the state of this node in ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function writeDurably(path: string, chunks: readonly string[]): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(chunks);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable once the directory is synced (fsync(2)). */
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
