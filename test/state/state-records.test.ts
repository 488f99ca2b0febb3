import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Member } from '../../src/model/snapshot.ts';
import { stateOf } from '../../src/state/saved-state.ts';
import { copyState, type StateCopy } from '../../src/state/state-copy.ts';
import { readRecords, writeRecords } from '../../src/state/state-records.ts';
import { emptySnapshot } from '../../src/model/snapshot.ts';
import { clientGroup, fullSnapshot } from './samples.ts';

const empty = copyState(stateOf(emptySnapshot));

function linesOf(state: StateCopy): string[] {
  return [...writeRecords(state)].filter((line) => line !== undefined).map((line) => line.trimEnd());
}

/** Groups whose members are pods with the addresses. */
function groupsOf(...groups: readonly (readonly (readonly [key: string, address: string])[])[]): StateCopy {
  const copies = groups.map((members, index) => ({
    id: `g${index}`,
    keys: members.map(([key]) => key),
    members: members.map(([, address]): Member => ({ addresses: [address], ports: [] })),
  }));
  return { ...empty, groups: copies };
}

describe('the records of a state', () => {
  it('hold a pod once, however many groups select it', () => {
    const lines = linesOf(groupsOf([['x/a/1', '10.0.0.1']], [['x/a/1', '10.0.0.1']], []));
    assert.deepEqual(lines.slice(1), [
      '["member","x/a/1",{"addresses":["10.0.0.1"],"ports":[]}]',
      '["group","g0",[0]]',
      '["group","g1",[0]]',
      '["group","g2",[]]',
    ]);
  });

  it('keep apart what two groups say of one pod, in an order of its own', () => {
    const one = groupsOf([['x/a/1', '10.0.0.2']], [['x/a/1', '10.0.0.1']]);
    const { groups } = readRecords(linesOf(one));
    assert.deepEqual(
      [...groups.values()].map(({ members }) => members.get('x/a/1')!.addresses),
      [['10.0.0.2'], ['10.0.0.1']],
    );
    assert.deepEqual(
      linesOf(one).slice(1, 3),
      linesOf(groupsOf([['x/a/1', '10.0.0.1']], [['x/a/1', '10.0.0.2']])).slice(1, 3),
    );
  });

  it('tell apart two pods that share one object', () => {
    const member: Member = { addresses: [], ports: [] };
    const { groups } = readRecords(
      linesOf({ ...empty, groups: [{ id: 'g', keys: ['x/a/1', 'x/b/2'], members: [member, member] }] }),
    );
    assert.deepEqual([...groups.get('g')!.members.keys()], ['x/a/1', 'x/b/2']);
  });

  it('need little work in each step, and write each member once', () => {
    const [pods, groups] = [3000, 20];
    let written = 0;
    const members = Array.from({ length: pods }, (_, index): Member => ({
      get addresses() {
        written++;
        return [`10.0.${index >> 8}.${index & 255}`];
      },
      ports: [],
    }));
    let looked = 0;
    const keys = members.map((_, index) => `x/pod-${index}/u`);
    const counted = new Proxy(members, {
      get: (target, name) => {
        if (typeof name === 'string' && /^\d+$/.test(name)) looked++;
        return Reflect.get(target, name) as unknown;
      },
    });
    const state = {
      ...empty,
      groups: Array.from({ length: groups }, (_, id) => ({ id: `g${id}`, keys, members: counted })),
    };
    let [mostWritten, mostLooked, lastWritten, lastLooked] = [0, 0, 0, 0];
    for (const line of writeRecords(state)) {
      mostWritten = Math.max(mostWritten, written - lastWritten);
      mostLooked = Math.max(mostLooked, looked - lastLooked);
      [lastWritten, lastLooked] = [written, looked];
      assert.ok((line?.length ?? 0) < 100_000);
    }
    assert.deepEqual([written, looked], [pods, pods * groups]);
    assert.ok(
      mostWritten <= 1 && mostLooked <= 256,
      `${mostWritten} members written, ${mostLooked} looked up in one step`,
    );
  });

  it('are of the moment of the copy, although the maps of the Snapshot change later', () => {
    const maps = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => new Map(map);
    const members = maps(clientGroup.members);
    const localPods = maps(fullSnapshot.localPods);
    const policies = maps(fullSnapshot.policies);
    const groups = new Map([[clientGroup.id, { ...clientGroup, members }]]);
    const denied = maps(fullSnapshot.denied);
    const snapshot = { ...fullSnapshot, localPods, policies, groups, denied };
    const copy = copyState(stateOf(snapshot));
    const before = linesOf(copy);
    for (const map of [members, localPods, policies, groups, denied]) map.clear();
    assert.deepEqual(linesOf(copy), before);
    assert.equal(linesOf(copyState(stateOf(snapshot))).length, 1);
  });

  it('split a large group, and join it again', () => {
    const members = Array.from({ length: 10_000 }, (_, index) => [`x/pod-${index}/u`, '10.0.0.1'] as const);
    const lines = linesOf(groupsOf(members));
    assert.equal(lines.filter((line) => line.startsWith('["group"')).length, 3);
    assert.deepEqual(
      new Set(readRecords(lines).groups.get('g0')!.members.keys()),
      new Set(members.map(([key]) => key)),
    );
  });

  const lines = linesOf(copyState(stateOf(fullSnapshot)));
  for (const [what, changed, problem] of [
    ['a member that has no record', lines.filter((line) => !line.startsWith('["member","shop/desk')), /no member 1/],
    ['an unknown record', [...lines, '["other",{}]'], /unknown record other/],
    ['no record of the node', lines.slice(1), /no record of the node/],
    ['a line that is no record', [...lines, '{}'], Error],
    ['an empty line', [...lines, ''], Error],
  ] as const) {
    it(`are refused as a whole with ${what}`, () => assert.throws(() => readRecords(changed), problem));
  }
});
