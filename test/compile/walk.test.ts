import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Walk, type Step } from '../../src/compile/walk.ts';
import type { AddressRange } from '../../src/model/address.ts';

describe('an ordered list of peers', () => {
  it('may have more blocks than a call has arguments: ten policies of 15,625 blocks each', () => {
    const [policies, blocks] = [10, 15_625];
    // Every second address, so that no two blocks are one range.
    const range = (index: number): AddressRange => {
      const address = 0x0a000000n + 2n * BigInt(index);
      return { family: 'ipv4', first: address, last: address };
    };
    const steps = Array.from({ length: policies }, (_, policy): Step => {
      const ranges = Array.from({ length: blocks }, (_each, block) => range(policy * blocks + block));
      return { level: 0, verdict: 'deny', peers: ranges.map((each) => ({ kind: 'cidr', ranges: [each] })) };
    });
    const everyone: Step = { level: 0, verdict: 'allow', peers: [{ kind: 'any' }] };
    const { allow, deny } = new Walk([...steps, everyone]).rangesOf('ipv4');
    assert.equal(deny.length, policies * blocks);
    assert.equal(allow.length, policies * blocks + 1);
    // One step has all of them where neighbouring rules of one action are merged.
    const merged: Step = { level: 0, verdict: 'deny', peers: steps.flatMap(({ peers }) => peers) };
    assert.equal(new Walk([merged, everyone]).rangesOf('ipv4').deny.length, policies * blocks);
    assert.equal(new Walk([{ ...merged, verdict: 'allow' }]).rangesOf('ipv4').deny.length, policies * blocks + 1);
  });
});
