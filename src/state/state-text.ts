import { createHash } from 'node:crypto';
import { isJsonObject } from '../lib/json.ts';
import type { SavedState } from './saved-state.ts';
import { readTagged, writeTagged } from './tagged-json.ts';

/** Increase it with every change of the written text, also if only the model changes: `test/state/state-text.test.ts` checks that. */
export const formatVersion = 2;

export type DecodedState =
  | { readonly node: string; readonly state: SavedState }
  /** Why the text cannot be used, as a clause. */
  | { readonly problem: string };

/** Writes two lines: a header with the checksum of the second line, then the state. Equal states have equal text. */
export function encodeState(state: SavedState, node: string): string {
  const body = writeTagged(state);
  return `${JSON.stringify({ format: 'postern-state', version: formatVersion, node, sha256: sha256(body) })}\n${body}\n`;
}

/** Never throws. */
export function decodeState(text: string): DecodedState {
  try {
    const [head = '', body = ''] = text.split('\n');
    const header: unknown = JSON.parse(head);
    if (!isJsonObject(header) || header.format !== 'postern-state') return { problem: 'it is not a state of Postern' };
    if (header.version !== formatVersion) {
      return { problem: `its format is ${JSON.stringify(header.version)}, and this version uses ${formatVersion}` };
    }
    if (typeof header.node !== 'string' || header.sha256 !== sha256(body)) return { problem: damaged };
    // With this version and this checksum, the line is unchanged since encodeState wrote it.
    return { node: header.node, state: readTagged(body) as SavedState };
  } catch {
    return { problem: damaged };
  }
}

const damaged = 'it is damaged';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
