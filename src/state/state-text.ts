import { createHash } from 'node:crypto';
import { isJsonObject } from '../lib/json.ts';
import type { SavedState } from './saved-state.ts';
import type { StateCopy } from './state-copy.ts';
import { readRecords, writeRecords } from './state-records.ts';

/** Increase it with every change of the written text, also if only the model changes: `test/state/state-text.test.ts` checks that. */
export const formatVersion = 4;

export type DecodedState =
  | { readonly node: string; readonly state: SavedState }
  /** Why the text cannot be used, as a clause. */
  | { readonly problem: string };

export interface EncodedState {
  /** Two states with the same header are equal. */
  readonly header: string;
  /** The text, with the header. */
  readonly chunks: readonly string[];
}

/** Characters of a chunk, at least. */
const chunkLength = 65_536;

/**
 * Writes a header line with the checksum of all that follows, then one record a line. Equal states have equal text. Each `next` is a step of
 * little work: at most one object, or some thousand members of groups.
 */
export function* encodeInSteps(state: StateCopy, node: string): Generator<void, EncodedState> {
  const hash = createHash('sha256');
  const chunks: string[] = [];
  let lines: string[] = [];
  let length = 0;
  const endChunk = (): void => {
    const chunk = lines.join('');
    hash.update(chunk);
    chunks.push(chunk);
    [lines, length] = [[], 0];
  };
  for (const line of writeRecords(state)) {
    if (line !== undefined) {
      lines.push(line);
      length += line.length;
      if (length >= chunkLength) endChunk();
    }
    yield;
  }
  endChunk();
  const fields = { format: 'postern-state', version: formatVersion, node, sha256: hash.digest('hex') };
  const header = `${JSON.stringify(fields)}\n`;
  return { header, chunks: [header, ...chunks] };
}

/** Never throws. */
export function decodeState(text: string): DecodedState {
  try {
    const end = text.indexOf('\n');
    const [head, body] = [text.slice(0, end), text.slice(end + 1)];
    const header: unknown = JSON.parse(head);
    if (!isJsonObject(header) || header.format !== 'postern-state') return { problem: 'it is not a state of Postern' };
    if (header.version !== formatVersion) {
      return { problem: `its format is ${JSON.stringify(header.version)}, and this version uses ${formatVersion}` };
    }
    const isWhole = header.sha256 === createHash('sha256').update(body).digest('hex');
    if (typeof header.node !== 'string' || !isWhole) return { problem: damaged };
    // With this version and this checksum, the lines are unchanged since encodeInSteps wrote them.
    return { node: header.node, state: readRecords(body.slice(0, -1).split('\n')) };
  } catch {
    return { problem: damaged };
  }
}

const damaged = 'it is damaged';
