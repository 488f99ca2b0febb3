import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { VersionedMap } from '../../src/lib/versioned-map.ts';

const entries = fc.uniqueArray(fc.tuple(fc.nat(6).map(String), fc.nat(2)), { maxLength: 5, selector: ([key]) => key });
const turns = fc.array(fc.record({ of: fc.nat(), entries }), { maxLength: 8 });

describe('a versioned map', () => {
  it('keeps its content, and knows which keys a later version has changed', () => {
    let [known, unknown] = [0, 0];
    fc.assert(
      fc.property(entries, turns, (first, all) => {
        const versions = [{ map: new VersionedMap(new Map(first)), content: new Map(first) }];
        for (const { of, entries: changes } of all) {
          const { map, content } = versions[of % versions.length]!;
          versions.push({ map: map.with(changes), content: new Map([...content, ...changes]) });
        }
        for (const a of versions) {
          for (const b of versions) {
            const changed = [...new Set([...a.content.keys(), ...b.content.keys()])].filter(
              (key) => a.content.get(key) !== b.content.get(key),
            );
            const told = a.map.keysChangedIn(b.map)?.toArray();
            if (!told) unknown++;
            else if (changed.length > 0) known++;
            for (const key of told ? changed : []) assert.ok(told!.includes(key));
          }
        }
        for (const { map, content } of versions) {
          for (let key = 0; key <= 6; key++) {
            assert.equal(map.get(String(key)), content.get(String(key)));
            assert.equal(map.has(String(key)), content.has(String(key)));
          }
          assert.equal(map.size, content.size);
          assert.deepEqual(new Map(map), content);
        }
      }),
    );
    assert.ok(known > 100 && unknown > 100, `${known} known, ${unknown} unknown`);
  });
});
