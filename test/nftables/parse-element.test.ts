import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Json } from '../../src/nftables/json.ts';
import { elementParser } from '../../src/nftables/parse-element.ts';
import type { KeyType } from '../../src/nftables/ruleset.ts';

const tuple: readonly KeyType[] = ['ipv4_addr', 'inet_proto', 'inet_service'];

const cases: readonly [readonly KeyType[], Json, string | undefined][] = [
  [tuple, { concat: ['10.0.0.1', 6, 80] }, '10.0.0.1 . tcp . 80'],
  [tuple, { concat: ['10.0.0.1', 2, 80] }, '10.0.0.1 . 2 . 80'],
  [
    tuple,
    { concat: [{ prefix: { addr: '10.0.0.0', len: 8 } }, 17, { range: [1, 9] }] },
    '10.0.0.0-10.255.255.255 . udp . 1-9',
  ],
  [['inet_service'], 80, '80'],
  [['ifname'], 'veth-a', 'veth-a'],
  [tuple, { concat: ['10.0.0.1', 6] }, undefined],
  [tuple, { concat: ['10.0.0.1', 6, 80, 1] }, undefined],
  [tuple, { concat: ['10.0.0.1', 256, 80] }, undefined],
  [tuple, { concat: ['10.0.0.1', 6, 65_536] }, undefined],
  [tuple, { concat: ['10.0.0.1', 6, 80.5] }, undefined],
  [tuple, { concat: ['10.0.0.1', 6, -1] }, undefined],
  [tuple, { concat: ['10.0.0.1', 'tcp', null] }, undefined],
  [tuple, { elem: { val: { concat: ['10.0.0.1', 6, 80] }, comment: 'x' } }, undefined],
  [['ipv4_addr'], { elem: { val: '10.0.0.1', expires: 7 } }, undefined],
  [['ipv4_addr'], ['10.0.0.1'], undefined],
  [tuple, '10.0.0.1', undefined],
  [['ifname'], 7, undefined],
  [['ifname'], 'eth*', undefined],
];

describe('an element, from nft’s JSON', () => {
  for (const [key, json, expected] of cases) {
    it(`${key.join(' . ')}: ${JSON.stringify(json)}`, () => {
      const parse = elementParser(key);
      // Once read, the numbers are known.
      assert.deepEqual([parse(json), parse(json)], [expected, expected]);
    });
  }

  it('a number is a protocol in one place and a port in another', () => {
    const parse = elementParser(['inet_proto', 'inet_service']);
    assert.deepEqual([parse({ concat: [6, 6] }), parse({ concat: [17, 17] })], ['tcp . 6', 'udp . 17']);
  });
});
