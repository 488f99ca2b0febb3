import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import type { AddressGroup, Delta, PodKey, Snapshot } from '../../src/model/snapshot.ts';
import { removeOf, syncedEvents, upsertOf } from '../support/pipeline.ts';
import { clusters, nodeNames } from '../support/random-cluster.ts';
import { endOfFact, factChoices, factsOf } from '../support/random-facts.ts';

/** A Snapshot as it was when it was drained. */
interface Seen {
  readonly local: string;
  readonly groups: Snapshot['groups'];
  /** `pod address` of each group. */
  readonly lines: ReadonlyMap<AddressGroup, ReadonlySet<string>>;
}

describe('the Delta that the indexer hands out', function () {
  this.timeout(0);

  it('names all that is another since it was drained, also where a compile between failed or only looked', () => {
    const count = { all: 0, quiet: 0, groups: 0, named: 0 };
    fc.assert(
      fc.property(clusters, clusters, factChoices, fc.infiniteStream(fc.nat(7)), (objects, others, facts, choices) => {
        const [node] = nodeNames;
        const indexer = new Indexer(node!);
        let seen: Seen | undefined;
        const check = (snapshot: Snapshot, delta: Delta | 'all'): void => {
          const now = look(snapshot);
          if (delta === 'all') count.all++;
          else assertNamed(seen!, now, delta, count);
        };
        const told = factsOf(objects, node!, facts);
        const events = [
          ...[...objects, ...others].map(upsertOf),
          ...syncedEvents(),
          ...told,
          ...objects.map(upsertOf),
          ...told.flatMap((fact) => endOfFact(fact) ?? []),
          ...objects.map(removeOf),
        ];
        for (const event of events) {
          indexer.receive(event);
          const choice = choices.next().value;
          if (choice === 0) void indexer.snapshot();
          if (choice === 1) check(indexer.snapshot(), indexer.delta);
          if (choice === 2) {
            const fail = () => {
              throw new Error('failed');
            };
            assert.throws(() => indexer.drain(fail), /failed/);
          }
          if (choice > 2 && choice < 6) {
            indexer.drain((snapshot, delta) => {
              check(snapshot, delta);
              seen = look(snapshot);
            });
          }
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(
      Object.values(count).every((each) => each > 100),
      JSON.stringify(count),
    );
  });

  it('names no members of a group of which too many have changed, and begins anew when it is drained', () => {
    const peers = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => peer(from + index)).map(upsertOf);
    const indexer = new Indexer('n1');
    for (const event of [web, policy].map(upsertOf)) indexer.receive(event);
    const drain = () => indexer.drain((_, delta) => delta);
    assert.equal(drain(), 'all');
    const changed = [3, 30, 30, 1].map((count, index) => {
      for (const event of peers(100 * index, 100 * index + count)) indexer.receive(event);
      const delta = index === 1 ? indexer.delta : drain();
      assert.ok(delta !== 'all' && !delta.localChanged);
      const [group] = delta.groups.values();
      return group!.members === 'all' ? 'all' : group!.members.size;
    });
    assert.deepEqual(changed, [3, 30, 60, 1]);
    for (const event of peers(1000, 1100)) indexer.receive(event);
    const delta = drain();
    assert.deepEqual(delta !== 'all' && [...delta.groups.values()].map(({ members }) => members), ['all']);
  });
});

const web = {
  kind: 'Pod',
  metadata: { namespace: 'x', name: 'web', uid: 'web', labels: {} },
  spec: { nodeName: 'n1' },
  status: { podIPs: [{ ip: '10.1.0.1' }] },
};

const policy = {
  kind: 'NetworkPolicy',
  metadata: { namespace: 'x', name: 'p', uid: 'p' },
  spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { is: 'peer' } } }] }] },
};

function peer(index: number) {
  return {
    kind: 'Pod',
    metadata: { namespace: 'x', name: `peer-${index}`, uid: `peer-${index}`, labels: { is: 'peer' } },
    spec: { nodeName: 'n2' },
    status: { podIPs: [{ ip: `10.2.${index >> 8}.${index & 255}` }] },
  };
}

function look(snapshot: Snapshot): Seen {
  const { revision: _, groups, leftOut: __, ...local } = snapshot;
  return {
    local: JSON.stringify(local, (_key, value: unknown) =>
      value instanceof Map || value instanceof Set ? [...value] : typeof value === 'bigint' ? String(value) : value,
    ),
    groups: new Map(groups),
    lines: new Map(groups.values().map((group) => [group, linesOf(group)])),
  };
}

function linesOf({ members }: AddressGroup): Set<string> {
  return new Set(members.entries().flatMap(([pod, { addresses }]) => addresses.map((each) => lineOf(pod, each))));
}

function lineOf(pod: PodKey, address: string): string {
  return `${pod} ${address}`;
}

function assertNamed(before: Seen, now: Seen, delta: Delta, count: Record<'quiet' | 'groups' | 'named', number>): void {
  if (!delta.localChanged) {
    count.quiet++;
    assert.equal(now.local, before.local);
  }
  for (const id of new Set([...before.groups.keys(), ...now.groups.keys()])) {
    const [from, to] = [before.groups.get(id), now.groups.get(id)];
    const change = delta.groups.get(id);
    if (from === to) continue;
    count.groups++;
    assert.ok(change, `${id} is not named`);
    assert.equal(change.from, from);
    if (change.members === 'all') continue;
    const named = new Set(
      change.members.entries().flatMap(([pod, addresses]) => [...addresses].map((each) => lineOf(pod, each))),
    );
    for (const line of before.lines.get(from!)!.symmetricDifference(now.lines.get(to!)!)) {
      count.named++;
      assert.ok(named.has(line), `${line} is not among ${[...named].join(', ')}`);
    }
  }
}
