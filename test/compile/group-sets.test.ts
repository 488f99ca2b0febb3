import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { GroupList } from '../../src/compile/group-list.ts';
import { GroupSets } from '../../src/compile/group-sets.ts';
import type { AddressGroup, GroupDelta } from '../../src/model/snapshot.ts';

const list = new GroupList(['g']);
const groupOf = (...addresses: string[]): AddressGroup => ({
  id: 'g',
  members: new Map(addresses.map((address) => [`x/pod/${address}`, { addresses: [address], ports: [] }])),
});
const changeOf = (
  from: AddressGroup,
  ...addresses: string[]
): { localChanged: boolean; groups: Map<string, GroupDelta> } => {
  const members = new Map(addresses.map((address) => [`x/pod/${address}`, new Set([address])]));
  return { localChanged: false, groups: new Map([['g', { from, members }]]) };
};

describe('the sets of groups', () => {
  const [first, second, third] = [groupOf('10.0.0.1'), groupOf('10.0.0.2'), groupOf('10.0.0.2', '10.0.0.3')];

  it('are those of the current members, whichever members the Delta starts from', () => {
    for (const from of [first, second]) {
      const sets = new GroupSets();
      const groups = new Map([['g', first]]);
      sets.of(groups, 'all')('ipv4', list);
      groups.set('g', third);
      // From the second group on, only one address is named. The set is that of the first group.
      const delta = from === first ? changeOf(from, '10.0.0.1', '10.0.0.2', '10.0.0.3') : changeOf(from, '10.0.0.3');
      assert.deepEqual([...sets.of(groups, delta)('ipv4', list).elements], ['10.0.0.2', '10.0.0.3']);
    }
  });

  it('are the same objects if no address changes', () => {
    const sets = new GroupSets();
    const groups = new Map([['g', first]]);
    const before = sets.of(groups, 'all')('ipv4', list);
    const again = groupOf('10.0.0.1');
    groups.set('g', again);
    assert.equal(sets.of(groups, changeOf(first, '10.0.0.1'))('ipv4', list), before);
    groups.set('g', groupOf('10.0.0.1'));
    assert.equal(sets.of(groups, 'all')('ipv4', list), before);
  });

  it('of no class are dropped, and made anew when a class needs them', () => {
    const sets = new GroupSets();
    const groups = new Map([['g', first]]);
    const before = sets.of(groups, 'all')('ipv4', list);
    sets.forget(() => []);
    groups.set('g', second);
    // Nothing refers to the dropped set: the Delta would not fit it.
    const after = sets.of(groups, changeOf(first, '10.0.0.1', '10.0.0.2'))('ipv4', list);
    assert.deepEqual([[...before.elements], [...after.elements]], [['10.0.0.1'], ['10.0.0.2']]);
  });
});
