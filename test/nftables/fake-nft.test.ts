import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { NftSet, Operation } from '../../src/nftables/ruleset.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { on } from './load.ts';

const set: NftSet = { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set(['10.0.0.1']) };
const make = on('ip', [{ verb: 'add table' }, { verb: 'add set', set }]);
const more: Operation = { family: 'ip', verb: 'add elements', set, elements: ['10.0.0.2'] };
const signal = new AbortController().signal;
const inForce = { check: false, signal };

describe('the fake nft', () => {
  let nft: FakeNft;
  beforeEach(() => {
    nft = new FakeNft();
  });

  it('has no table until a script makes one', async () => {
    assert.equal(await nft.observe(signal), undefined);
    await assert.rejects(nft.run([more], inForce), { code: 'refused' });
    await nft.run(make, inForce);
    assert.deepEqual((await nft.observe(signal))?.ip?.sets.get('s'), set);
  });

  it('has each table by itself', async () => {
    await nft.run([...make, ...on('ip6', [{ verb: 'add table' }])], inForce);
    assert.deepEqual(Object.keys((await nft.observe(signal))!), ['ip', 'ip6']);
    assert.deepEqual(await nft.observeChain('ip6', 'forward', signal), undefined);
    await nft.run([{ family: 'ip', verb: 'replace table' }], inForce);
    await assert.rejects(nft.run([more], inForce), { code: 'refused' });
    assert.deepEqual([...(await nft.observe(signal))!.ip6!.sets.keys()], []);
  });

  it('does all of a script or nothing', async () => {
    await nft.run(make, inForce);
    await assert.rejects(nft.run([more, { family: 'ip', verb: 'delete set', name: 'x' }], inForce), {
      code: 'refused',
    });
    assert.deepEqual((await nft.observe(signal))?.ip?.sets.get('s'), set);
    assert.deepEqual(
      nft.runs.map(({ outcome }) => outcome),
      ['done', 'refused'],
    );
  });

  it('only gives its opinion when asked to check', async () => {
    await nft.run(make, { check: true, signal });
    assert.equal(await nft.observe(signal), undefined);
    await assert.rejects(nft.run([more], { check: true, signal }), { code: 'refused' });
  });

  it('refuses a planted element until told otherwise', async () => {
    nft.refuseElement('10.0.0.2');
    await nft.run(make, inForce);
    await assert.rejects(nft.run([more], inForce), { code: 'refused' });
    nft.acceptElement('10.0.0.2');
    await nft.run([more], inForce);
  });

  it('fails once with what it is told', async () => {
    const error = Object.assign(new Error('too slow'), { code: 'timeout' });
    nft.failNext(error);
    await assert.rejects(nft.run(make, inForce), error);
    assert.equal(await nft.observe(signal), undefined);
    await nft.run(make, inForce);
  });

  it('does nothing after a crash, and goes on after a restart', async () => {
    const crash = nft.crashAfterRuns(1);
    await nft.run(make, inForce);
    let settled = false;
    void nft.run([more], inForce).finally(() => (settled = true));
    await crash;
    await new Promise(setImmediate);
    assert.equal(settled, false);
    nft.restart();
    assert.deepEqual((await nft.observe(signal))?.ip?.sets.get('s'), set);
  });

  it('minds its signal', async () => {
    await assert.rejects(nft.run(make, { check: false, signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.equal(nft.ruleset, undefined);
  });
});
