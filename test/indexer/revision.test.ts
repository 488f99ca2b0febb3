import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import { removeOf, syncedEvents, upsertOf } from '../support/pipeline.ts';
import { clusters, nodeNames } from '../support/random-cluster.ts';
import { endOfFact, factChoices, factsOf } from '../support/random-facts.ts';
import { describeSnapshot } from './describe-snapshot.ts';

describe("the Snapshot's revision", function () {
  this.timeout(0);

  it('is another one whenever it says something else, and the same one after what is told again', () => {
    let [changes, repeats] = [0, 0];
    fc.assert(
      fc.property(clusters, factChoices, (objects, choices) => {
        const [node] = nodeNames;
        const indexer = new Indexer(node!);
        const facts = factsOf(objects, node!, choices);
        const events = [
          ...objects.map(upsertOf),
          ...syncedEvents(),
          ...facts,
          ...facts.flatMap((fact) => endOfFact(fact) ?? []),
          ...objects.map(removeOf),
        ];
        for (const event of events) {
          const before = textOf(indexer);
          const { revision } = indexer.snapshot();
          indexer.receive(event);
          if (textOf(indexer) !== before) {
            changes++;
            assert.notEqual(indexer.snapshot().revision, revision, event.op);
          }
          const again = indexer.snapshot().revision;
          // As the watch delivers it after a write of an annotation or a status: equal, and another object (S10.31).
          indexer.receive(event.op === 'upsert' ? { ...event, value: structuredClone(event.value) } : event);
          if (event.op === 'upsert' && (event.resource === 'pods' || event.value.kind === 'Policy')) {
            repeats++;
            assert.equal(indexer.snapshot().revision, again, event.op);
          }
        }
      }),
      { numRuns: 100 },
    );
    assert.ok(changes > 500 && repeats > 200, `${changes} changes, ${repeats} repeats`);
  });
});

function textOf(indexer: Indexer): string {
  const { gatedRanges, inSync } = indexer.snapshot();
  const { unknown: _, issues: __, ...said } = describeSnapshot(indexer);
  return JSON.stringify([said, gatedRanges, inSync], (_, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...value] : typeof value === 'bigint' ? String(value) : value,
  );
}
