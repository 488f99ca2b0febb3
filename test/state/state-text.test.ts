import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { stateOf, type SavedState } from '../../src/state/saved-state.ts';
import { decodeState, formatVersion } from '../../src/state/state-text.ts';
import { encodeState } from './encode-state.ts';
import { randomSnapshot } from './random-snapshot.ts';
import { fullSnapshot } from './samples.ts';

const state = stateOf(fullSnapshot);
const text = encodeState(state, 'n1');

describe('the text of a state', () => {
  it('is that of its version, word for word', () => {
    const known = readFileSync(new URL(`version-${formatVersion}.txt`, import.meta.url), 'utf8');
    assert.equal(
      text,
      known,
      'what is written has changed: raise formatVersion, and keep the new text as its version-N.txt',
    );
  });

  it('gives back every state, and the node it is of', () => {
    fc.assert(
      fc.property(randomSnapshot, fc.string(), (snapshot, node) => {
        const saved = stateOf(snapshot);
        assert.deepEqual(decodeState(encodeState(saved, node)), { node, state: saved });
      }),
    );
  });

  it('does not depend on the order in which things came', () => {
    const reversed = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => new Map([...map].reverse());
    const other: SavedState = {
      ...state,
      localPods: reversed(state.localPods),
      groups: new Map(state.groups.values().map((group) => [group.id, { ...group, members: reversed(group.members) }])),
      denied: new Set([...state.denied].reverse()),
    };
    assert.equal(encodeState(other, 'n1'), text);
  });

  it('is found out, wherever a character of it is another', () => {
    for (let at = 0; at < text.length; at++) {
      const damaged = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`;
      const decoded = decodeState(damaged);
      // The name of the node has no checksum: it is compared.
      if (!('problem' in decoded)) assert.notEqual(decoded.node, 'n1', `character ${at}`);
    }
  });

  it('is found out, wherever it is cut off', () => {
    for (let length = 0; length < text.length - 1; length++) {
      assert.ok('problem' in decodeState(text.slice(0, length)), `after ${length} characters`);
    }
  });

  for (const [what, other, problem] of [
    ['nothing', '', 'it is damaged'],
    ['no JSON', 'postern\n{}\n', 'it is damaged'],
    ['a JSON file of something else', '{"kind":"Pod"}\n', 'it is not a state of Postern'],
    ['null', 'null\nnull\n', 'it is not a state of Postern'],
    ['another version', text.replace('"version":4', '"version":5'), 'its format is 5, and this version uses 4'],
    ['a state without its node', text.replace('"node":"n1",', ''), 'it is damaged'],
  ]) {
    it(`cannot be ${what}`, () => assert.deepEqual(decodeState(other!), { problem }));
  }
});
