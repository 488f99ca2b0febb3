import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readRanges } from '../../src/sandboxes/ranges.ts';
import { base64 } from './entries.ts';

function rangesOf(...ipams: readonly object[]): string[] {
  return readRanges(base64({ name: 'net', plugins: ipams.map((ipam) => ({ type: 'bridge', ipam })) }));
}

const hostLocal = (...ranges: readonly object[]) => ({ type: 'host-local', ranges: ranges.map((range) => [range]) });

describe("the ranges of a network's configuration", () => {
  it('are those of host-local, in either form', () => {
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/24' }, { subnet: 'fd00:0::/64' })), [
      '10.1.0.0/24',
      'fd00::/64',
    ]);
    assert.deepEqual(rangesOf({ type: 'host-local', subnet: '10.1.0.7/24' }), ['10.1.0.0/24']);
    assert.deepEqual(rangesOf({ ...hostLocal({ subnet: '10.2.0.0/24' }), subnet: '10.1.0.0/24' }), [
      '10.1.0.0/24',
      '10.2.0.0/24',
    ]);
  });

  it('are each told once, of all plugins', () => {
    const [one, two] = [hostLocal({ subnet: '10.1.0.0/24' }), hostLocal({ subnet: '10.2.0.0/24' })];
    assert.deepEqual(rangesOf(one, two, one), ['10.1.0.0/24', '10.2.0.0/24']);
  });

  it('may stand in a configuration of one plugin, as before lists', () => {
    assert.deepEqual(readRanges(base64({ type: 'ptp', ipam: hostLocal({ subnet: '10.1.0.0/24' }) })), ['10.1.0.0/24']);
  });

  it("are the node's part of a shared subnet", () => {
    const shared = (rangeStart?: string, rangeEnd?: string) =>
      rangesOf(hostLocal({ subnet: '10.1.0.0/16', ...(rangeStart && { rangeStart }), ...(rangeEnd && { rangeEnd }) }));
    assert.deepEqual(shared('10.1.4.0', '10.1.4.255'), ['10.1.4.0/24']);
    assert.deepEqual(shared('10.1.4.1', '10.1.4.6'), ['10.1.4.1/32', '10.1.4.2/31', '10.1.4.4/31', '10.1.4.6/32']);
    assert.deepEqual(shared('10.1.128.0'), ['10.1.128.0/17']);
    assert.deepEqual(shared(undefined, '10.1.0.1'), ['10.1.0.0/31']);
    assert.deepEqual(rangesOf(hostLocal({ subnet: 'fd00::/64', rangeStart: 'fd00::8', rangeEnd: 'fd00::f' })), [
      'fd00::8/125',
    ]);
  });

  it('are left out where they are not to be understood', () => {
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/16', rangeStart: '10.2.0.0' })), []);
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/16', rangeStart: 'fd00::1' })), []);
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/16', rangeStart: '::a01:0' })), []);
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/16', rangeStart: '10.0.0.0' })), []);
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0/16', rangeStart: '10.1.2.0', rangeEnd: '10.1.1.0' })), []);
    assert.deepEqual(rangesOf(hostLocal({ subnet: '10.1.0.0' }, { subnet: '10.2.0.0/24' })), ['10.2.0.0/24']);
    assert.deepEqual(rangesOf({ type: 'host-local', ranges: '10.1.0.0/24' }), []);
  });

  it('of other address managers are not the node’s alone', () => {
    assert.deepEqual(
      rangesOf({ type: 'whereabouts', range: '10.1.0.0/16', ranges: [[{ subnet: '10.1.0.0/16' }]] }),
      [],
    );
  });

  it('are none where there is no configuration', () => {
    for (const config of ['', 'bm8ganNvbg==', base64(null), base64([]), base64({ plugins: 'none' })]) {
      assert.deepEqual(readRanges(config), []);
    }
  });
});
