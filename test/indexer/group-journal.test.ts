import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import { changesSince, type AddressGroup, type PodKey, type Snapshot } from '../../src/model/snapshot.ts';
import { removeOf, upsertOf } from '../support/pipeline.ts';
import { clusters, nodeNames } from '../support/random-cluster.ts';

/** A group as it was when it was read. */
interface Seen {
  readonly group: AddressGroup;
  readonly addresses: ReadonlyMap<PodKey, readonly string[]>;
}

describe('the journal of groups', function () {
  this.timeout(0);

  it('names every group that is another object since they were read, whenever that was', () => {
    let [told, changed] = [0, 0];
    fc.assert(
      fc.property(clusters, clusters, fc.infiniteStream(fc.nat(3)), (objects, others, choices) => {
        const indexer = new Indexer(nodeNames[0]!);
        const seen: { groups: Snapshot['groups']; history: Snapshot['groupHistory'] }[] = [];
        for (const event of [...objects, ...others, ...objects].map(upsertOf).concat(objects.map(removeOf))) {
          indexer.receive(event);
          if (choices.next().value !== 0) continue;
          const { groups, groupHistory } = indexer.snapshot();
          for (const before of seen) {
            const changes = changesSince(before.history, groupHistory);
            if (!changes) continue;
            told++;
            const all = new Set([...before.groups.keys(), ...groups.keys()]);
            const differing = [...all].filter((id) => before.groups.get(id) !== groups.get(id));
            if (differing.length > 0) changed++;
            for (const id of differing) assert.ok(changes.includes(id), `${id} is not among ${changes.join(', ')}`);
          }
          seen.push({ groups: new Map(groups), history: groupHistory });
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(told > 500 && changed > 100, `${told} told, ${changed} changed`);
  });

  it('names of one every pod and address of which it says something else since it was read, whenever that was', () => {
    let [told, changed] = [0, 0];
    fc.assert(
      fc.property(clusters, clusters, fc.infiniteStream(fc.nat(3)), (objects, others, choices) => {
        const indexer = new Indexer(nodeNames[0]!);
        const seen: Seen[] = [];
        for (const event of [...objects, ...others, ...objects].map(upsertOf).concat(objects.map(removeOf))) {
          indexer.receive(event);
          if (choices.next().value !== 0) continue;
          const { groups } = indexer.snapshot();
          for (const { group, addresses } of seen) {
            const after = groups.get(group.id);
            const changes = changesSince(group.history, after?.history);
            if (!changes || !after) continue;
            told++;
            const named = new Set(changes.flatMap((each) => each.addresses.map((address) => `${each.pod} ${address}`)));
            const now = addressesOf(after);
            const differing = linesOf(addresses).symmetricDifference(linesOf(now));
            if (differing.size > 0) changed++;
            for (const line of differing) assert.ok(named.has(line), `${line} is not among ${[...named].join(', ')}`);
          }
          for (const group of groups.values()) seen.push({ group, addresses: addressesOf(group) });
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(told > 500 && changed > 100, `${told} told, ${changed} changed`);
  });
});

function addressesOf({ members }: AddressGroup): Map<PodKey, readonly string[]> {
  return new Map(members.entries().map(([key, { addresses }]) => [key, addresses]));
}

function linesOf(addresses: ReadonlyMap<PodKey, readonly string[]>): Set<string> {
  return new Set(addresses.entries().flatMap(([pod, each]) => each.map((address) => `${pod} ${address}`)));
}
