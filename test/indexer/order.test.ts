import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import type { NodeFact, Sandbox } from '../../src/model/cluster.ts';
import { keyOf, removeOf, type ApiObject } from '../support/pipeline.ts';
import { clusters, nodeOfAddress } from '../support/random-cluster.ts';
import { endOfFact, factChoices, factsOf, type FactChoices } from '../support/random-facts.ts';
import { describeSnapshot } from './describe-snapshot.ts';
import { eventOf, indexed, type Told } from './in-every-order.ts';

/**
 * Ways to the same cluster and node: all that is told in any order, after a detour over what another one tells (of which some is replaced,
 * and the rest taken back).
 */
const journeys = fc.tuple(clusters, factChoices, clusters, factChoices, fc.infiniteStream(fc.nat()));

describe('Indexer: what it says depends on what it was told, not on when (S7.1)', function () {
  this.timeout(0);

  it('in any order and after any detour, and nothing leaks', () => {
    const met = { denied: 0, links: 0, stale: 0, fetched: 0, largest: 0 };
    fc.assert(
      fc.property(journeys, ([objects, choices, detourObjects, detourChoices, stream]) => {
        const facts = factsOf(objects, 'n1', choices);
        const direct = indexed(...objects, ...facts);
        // Having been told once that a record is kept is for good.
        const detour = tellings(detourObjects, { ...detourChoices, kept: choices.kept && detourChoices.kept });
        const indexer = new Indexer('n1');
        const sandboxes = new Map<string, Sandbox | undefined>();
        let unflushed: ReadonlySet<string> = new Set();
        const tell = (events: readonly Told[]) => {
          for (const event of events) {
            const told = eventOf(event);
            indexer.receive(told);
            if (told.op === 'sandbox') sandboxes.set(told.id, told.value);
            if (told.op === 'unflushed') unflushed = new Set(told.addresses);
            assertNoneOpen(indexer, sandboxes.values(), unflushed);
          }
        };
        tell(shuffled(detour, stream));
        const names = new Set([...objects, ...facts].map(nameOf));
        tell(shuffled(detour, stream).flatMap((told) => (names.has(nameOf(told)) ? [] : endOf(told))));
        tell(shuffled([...objects, ...facts], stream));
        assert.deepEqual(sayingsOf(indexer), sayingsOf(direct));
        assert.equal(indexer.size, direct.size);

        const { issues, denied, links, pods } = describeSnapshot(direct);
        met.denied += Object.keys(denied).length;
        met.links += Object.keys(links).length;
        met.stale += issues.filter((issue) => issue.endsWith('stale-address')).length;
        met.fetched += Object.keys(pods).filter((name) => name.includes('-other')).length;
        met.largest = Math.max(met.largest, indexer.size);
        tell(shuffled([...objects, ...facts], stream).flatMap(endOf));
        assert.equal(indexer.size, 0);
      }),
      { numRuns: 500 },
    );
    const { denied, links, stale, fetched, largest } = met;
    assert.ok(denied > 300 && links > 300 && stale > 100 && fetched > 20 && largest > 80, JSON.stringify(met));
  });
});

/**
 * S1.9, S1.14: at every moment an address of a live sandbox is that of the very pod, or may neither send nor receive. S5.17: nor may one whose
 * connections are not deleted.
 */
function assertNoneOpen(
  indexer: Indexer,
  sandboxes: Iterable<Sandbox | undefined>,
  unflushed: ReadonlySet<string>,
): void {
  const { localPods, denied } = indexer.snapshot();
  const owners = new Map([...localPods.values()].flatMap(({ key, addresses }) => addresses.map((each) => [each, key])));
  const allowed = new Map<string, string[]>();
  for (const each of sandboxes) {
    if (!each?.live) continue;
    for (const address of each.addresses) {
      allowed.set(address, [...(allowed.get(address) ?? []), `${each.namespace}/${each.name}/${each.uid}`]);
    }
  }
  for (const [address, keys] of allowed) {
    if (nodeOfAddress(address) !== undefined) continue;
    const owner = owners.get(address);
    const isDenied = owner === undefined || unflushed.has(address);
    assert.equal(denied.get(address)?.size, isDenied ? 2 : undefined, `${address} of ${owner}`);
    if (owner !== undefined) assert.ok(keys.includes(owner), `${address} of ${owner}`);
  }
}

function tellings(objects: readonly ApiObject[], choices: FactChoices): Told[] {
  return [...objects, ...factsOf(objects, 'n1', choices)];
}

function sayingsOf(indexer: Indexer): object {
  const { gatedRanges } = indexer.snapshot();
  const unlinked = indexer.unlinked.map(({ key }) => key).sort();
  return {
    ...describeSnapshot(indexer),
    kept: indexer.cniCacheComplete,
    gatedRanges,
    unlinked,
    reasons: new Map(indexer.issues),
  };
}

function nameOf(told: Told): string {
  if ('kind' in told) return `${told.kind} ${keyOf(told)}`;
  return [told.op, 'id' in told ? told.id : 'key' in told ? told.key : ''].join(' ');
}

function endOf(told: Told): Told[] {
  return 'kind' in told ? [removeOf(told)] : endOfFact(told as NodeFact);
}

function shuffled<T>(items: readonly T[], choices: fc.Stream<number>): T[] {
  const rest = [...items];
  const order: T[] = [];
  for (const choice of choices.take(items.length)) order.push(...rest.splice(choice % rest.length, 1));
  return order;
}
