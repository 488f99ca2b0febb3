import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { nftDoor, type Door } from '../../src/agent/door.ts';
import { createNft } from '../../src/apply/nft.ts';
import type { Chain, Operation, Ruleset } from '../../src/nftables/ruleset.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';

const { signal } = new AbortController();
const forward: Chain = { name: 'forward', base: { hook: 'forward', priority: -10 }, rules: [] };
const prerouting: Chain = {
  name: 'prerouting',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    { matches: [{ kind: 'compare', field: 'iifname', op: '==', values: ['veth-a'] }], verdict: { kind: 'drop' } },
  ],
};
const first: Operation[] = [{ verb: 'add table' }, { verb: 'add chain', chain: forward }];
const second: Operation[] = [
  { verb: 'add table', family: 'bridge' },
  { verb: 'add chain', family: 'bridge', chain: prerouting },
];
const none = { sets: new Map(), maps: new Map(), chains: new Map() };
const held = { ...none, chains: new Map([['forward', forward]]) };
const bridge = { ...none, chains: new Map([['prerouting', prerouting]]) };

describe('the door to the kernel', function () {
  this.timeout(20_000);
  let kernel: Kernel;
  let door: Door;
  before(async function () {
    kernel = await openKernel(this);
    door = nftDoor(createNft({ program: kernel.nft }));
  });
  afterEach(() => kernel?.sh('nft flush ruleset'));
  after(() => kernel?.close());

  const cases: readonly [string, Operation[], Ruleset | undefined][] = [
    ['no table', [], undefined],
    ['the first', first, held],
    ['both', [...first, ...second], { ...held, bridge }],
    ['the second alone', second, { ...none, bridge }],
  ];
  for (const [what, operations, expected] of cases) {
    it(`sees ${what}`, async () => {
      await door.run(operations, { check: false, signal });
      assert.deepEqual(await door.observe(signal), expected);
      assert.deepEqual(await door.observeChain('inet', 'forward', signal), expected?.chains.get('forward'));
      assert.deepEqual(
        await door.observeChain('bridge', 'prerouting', signal),
        expected?.bridge?.chains.get('prerouting'),
      );
    });
  }

  it('writes both or neither', async () => {
    const broken: Operation = { verb: 'delete set', family: 'bridge', name: 'none' };
    await assert.rejects(door.run([...first, ...second, broken], { check: false, signal }), { code: 'refused' });
    assert.equal(await door.observe(signal), undefined);
  });
});
