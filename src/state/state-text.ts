import { createHash } from 'node:crypto';
import { isJsonObject } from '../lib/json.ts';
import type { SavedState } from './saved-state.ts';
import { readTagged, writeTagged } from './tagged-json.ts';

/** One more with every change of what is written, also where only the model has changed: `test/state/state-text.test.ts` asks for it. */
export const formatVersion = 3;

export type DecodedState =
  | { readonly node: string; readonly state: SavedState }
  /** Why it cannot be used, as the end of a sentence. */
  | { readonly problem: string };

/** Two lines: what it is, then the state, of which the first has the checksum. Equal states are equal text. */
export function encodeState(state: SavedState, node: string): string {
  const body = writeTagged(state);
  return `${JSON.stringify({ format: 'postern-state', version: formatVersion, node, sha256: sha256(body) })}\n${body}\n`;
}

/** Never throws. */
export function decodeState(text: string): DecodedState {
  try {
    const [head = '', body = ''] = text.split('\n');
    const header: unknown = JSON.parse(head);
    if (!isJsonObject(header) || header.format !== 'postern-state') return { problem: 'it is not a state of ours' };
    if (header.version !== formatVersion) {
      return { problem: `its format is ${JSON.stringify(header.version)}, and ours is ${formatVersion}` };
    }
    if (typeof header.node !== 'string' || header.sha256 !== sha256(body)) return { problem: damaged };
    // What bears this version and this checksum was written by encodeState, and has not changed since.
    return { node: header.node, state: readTagged(body) as SavedState };
  } catch {
    return { problem: damaged };
  }
}

const damaged = 'it is damaged';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
