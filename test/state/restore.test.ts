import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Sandbox } from '../../src/model/cluster.ts';
import { hasSandboxOfSavedPod, restoreSnapshot, type RestoredSnapshot } from '../../src/state/restore.ts';
import { stateOf } from '../../src/state/saved-state.ts';
import { clientGroup, fullSnapshot, sandbox, shopApi, shopDesk } from './samples.ts';

const saved = stateOf(fullSnapshot);
const savedLocal = ['10.244.1.2', '10.244.1.3', '10.244.1.9', 'fd00:10:244:1::2'];
const api = shopApi.key;
const desk = shopDesk.key;

const restore = (...sandboxes: Sandbox[]): RestoredSnapshot => restoreSnapshot(saved, sandboxes);

function addressesOf(snapshot: RestoredSnapshot, key: string): readonly string[] | undefined {
  return snapshot.localPods.get(key)?.addresses;
}

function deniedOf({ denied }: RestoredSnapshot): string[] {
  for (const directions of denied.values()) assert.deepEqual(directions, new Set(['ingress', 'egress']));
  return [...denied.keys()].sort();
}

function memberAddresses({ groups }: RestoredSnapshot, key: string): readonly string[] | undefined {
  return groups.get(clientGroup.id)?.members.get(key)?.addresses;
}

describe('restoreSnapshot', () => {
  it('denies nothing that passed the gate for another node', () => {
    const denied = new Map([...fullSnapshot.denied, ['10.244.1.77', new Set<never>()]] as const);
    assert.deepEqual(stateOf({ ...fullSnapshot, denied }).denied, saved.denied);
  });

  it('believes no saved address of this node, and denies them all', () => {
    const restored = restore();
    assert.deepEqual([addressesOf(restored, api), addressesOf(restored, desk)], [[], []]);
    assert.deepEqual(deniedOf(restored), savedLocal);
    assert.deepEqual(memberAddresses(restored, desk), []);
    assert.equal(restored.deniedLinks.size, 0);
  });

  it('keeps policies, ports, other nodes and ranges', () => {
    const restored = restore();
    assert.equal(restored.policies, fullSnapshot.policies);
    assert.deepEqual(restored.localPods.get(api), { ...shopApi, addresses: [], links: new Map() });
    assert.deepEqual(memberAddresses(restored, 'sales/till/u3'), ['10.244.2.7', 'fd00:10:244:2::7']);
    assert.deepEqual(restored.gatedRanges, fullSnapshot.gatedRanges);
    assert.equal(restored.inSync, true);
  });

  it('gives a pod the addresses and the link of its sandbox, also as a peer', () => {
    const restored = restore(sandbox('s2', desk, ['10.244.1.30', 'fd00:10:244:1::30']));
    assert.deepEqual(addressesOf(restored, desk), ['10.244.1.30', 'fd00:10:244:1::30']);
    const link = { device: 'cni0', port: 'veth-s2' };
    assert.deepEqual(
      restored.localPods.get(desk)?.links,
      new Map([
        ['10.244.1.30', link],
        ['fd00:10:244:1::30', link],
      ]),
    );
    assert.deepEqual(memberAddresses(restored, desk), ['10.244.1.30', 'fd00:10:244:1::30']);
    assert.deepEqual(deniedOf(restored), savedLocal);
  });

  it('knows a static pod by the uid that the kubelet gives it', () => {
    assert.deepEqual(addressesOf(restore(sandbox('s1', 'shop/api/m1', ['10.244.1.2'])), api), ['10.244.1.2']);
  });

  it('gives a pod whose sandbox has no link that is known its addresses all the same', () => {
    const restored = restore(sandbox('s2', desk, ['10.244.1.3'], { link: undefined }));
    assert.deepEqual(restored.localPods.get(desk), { ...shopDesk, addresses: ['10.244.1.3'] });
  });

  it('denies the sandbox of a pod that is not known, and holds it to its link', () => {
    const restored = restore(sandbox('s5', 'shop/new/u5', ['10.244.1.50']), sandbox('s2', desk, ['10.244.1.3']));
    assert.deepEqual(deniedOf(restored), ['10.244.1.2', '10.244.1.50', '10.244.1.9', 'fd00:10:244:1::2']);
    assert.deepEqual(restored.deniedLinks, new Map([['10.244.1.50', { device: 'cni0', port: 'veth-s5' }]]));
  });

  it('takes a new pod of an old name for another', () => {
    const restored = restore(sandbox('s5', 'shop/desk/u5', ['10.244.1.3']));
    assert.deepEqual(addressesOf(restored, desk), []);
    assert.deepEqual(deniedOf(restored), savedLocal);
  });

  it('gives an address that had another pod to whose sandbox has it now', () => {
    const restored = restore(sandbox('s1', api, ['10.244.1.3']), sandbox('s2', desk, ['10.244.1.2']));
    assert.deepEqual([addressesOf(restored, api), addressesOf(restored, desk)], [['10.244.1.3'], ['10.244.1.2']]);
    assert.deepEqual(memberAddresses(restored, desk), ['10.244.1.2']);
    assert.deepEqual(deniedOf(restored), ['10.244.1.9', 'fd00:10:244:1::2']);
  });

  it('takes an address of another node from its pod where a sandbox of this node has it', () => {
    const restored = restore(sandbox('s5', 'shop/new/u5', ['10.244.2.7']));
    assert.deepEqual(memberAddresses(restored, 'sales/till/u3'), ['fd00:10:244:2::7']);
    assert.ok(restored.denied.has('10.244.2.7'));
  });

  it('believes the newer of two sandboxes, in whichever order they come', () => {
    const older = sandbox('s9', desk, ['10.244.1.30'], { order: 1 });
    const newer = sandbox('s1', desk, ['10.244.1.31'], { order: 2 });
    const thief = sandbox('s3', api, ['10.244.1.31'], { order: 3 });
    for (const each of [restore(older, newer), restore(newer, older)]) {
      assert.deepEqual(addressesOf(each, desk), ['10.244.1.31']);
      assert.ok(each.denied.has('10.244.1.30'));
    }
    for (const each of [restore(newer, thief), restore(thief, newer)]) {
      assert.deepEqual([addressesOf(each, api), addressesOf(each, desk)], [['10.244.1.31'], []]);
    }
  });

  it('believes nothing that a reboot has left behind in the cache', () => {
    const dead = sandbox('s2', desk, ['10.244.1.3'], { live: false });
    assert.deepEqual(restore(dead), restore());
  });

  it('leaves groups that are as they were the same objects, so that they need not be compiled again', () => {
    const same = restore(sandbox('s2', desk, ['10.244.1.3']));
    assert.equal(same.groups.get(clientGroup.id), clientGroup);
  });

  it('has every address once: some pod has it, or it is denied; and leaves none of this node out', () => {
    const someAddress = fc.constantFrom(...savedLocal, '10.244.1.50', '10.244.2.7');
    const someSandbox = fc
      .record({
        id: fc.constantFrom('s1', 's2', 's3'),
        key: fc.constantFrom(api, 'shop/api/m1', desk, 'shop/new/u5'),
        addresses: fc.uniqueArray(someAddress, { maxLength: 2 }),
        live: fc.boolean(),
        order: fc.nat(2),
      })
      .map(({ id, key, addresses, ...fields }) => sandbox(id, key, addresses, fields));
    fc.assert(
      fc.property(fc.uniqueArray(someSandbox, { selector: ({ id }) => id, maxLength: 3 }), (sandboxes) => {
        const restored = restore(...sandboxes);
        const owned = [...restored.localPods.values()].flatMap(({ addresses }) => addresses);
        const live = sandboxes.filter((each) => each.live).flatMap(({ addresses }) => addresses);
        assert.deepEqual([...owned, ...restored.denied.keys()].sort(), [...new Set([...savedLocal, ...live])].sort());
        for (const address of restored.deniedLinks.keys()) assert.ok(restored.denied.has(address));
      }),
    );
  });
});

describe('hasSandboxOfSavedPod', () => {
  for (const [what, sandboxes, expected] of [
    ['no sandbox', [], false],
    ['sandboxes of unknown pods only', [sandbox('s5', 'shop/new/u5', ['10.244.1.50'])], false],
    ['one of a saved pod', [sandbox('s2', desk, ['10.244.1.3'])], true],
    ['one of a static pod', [sandbox('s1', 'shop/api/m1', [])], true],
    ['one that has ended', [sandbox('s2', desk, ['10.244.1.3'], { live: false })], true],
  ] as const) {
    it(`${expected ? 'is told by' : 'is not told by'} ${what}`, () =>
      assert.equal(hasSandboxOfSavedPod(saved, sandboxes), expected));
  }
});
