import assert from 'node:assert/strict';
import { Indexer } from '../../src/indexer/indexer.ts';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { upsertOf, type ApiObject } from '../support/pipeline.ts';
import { describeSnapshot, type SnapshotDescription } from './describe-snapshot.ts';

/** An object stands for the event that brings it. */
export type Told = ApiObject | ResourceEvent | NodeFact;

export function eventOf(told: Told): ResourceEvent | NodeFact {
  return 'kind' in told ? upsertOf(told) : told;
}

/** The indexer of node n1. */
export function indexed(...events: readonly Told[]): Indexer {
  const indexer = new Indexer('n1');
  for (const event of events) indexer.receive(eventOf(event));
  return indexer;
}

/** Objects and facts of which none replaces another, in every order, come to this; what is not named is empty. */
export function assertInEveryOrder(events: readonly Told[], expected: Partial<SnapshotDescription>): void {
  const size = indexed(...events).size;
  for (const order of permutations(events)) {
    const indexer = indexed(...order);
    const names = order.map(nameOf).join(', ');
    assert.deepEqual(
      describeSnapshot(indexer),
      { pods: {}, groups: {}, denied: {}, links: {}, unknown: [], issues: [], ...expected },
      names,
    );
    assert.equal(indexer.size, size, names);
  }
}

function nameOf(told: Told): string {
  if ('kind' in told) return `${told.kind} ${told.metadata.name}`;
  return 'id' in told ? `${told.op} ${told.id}` : told.op;
}

export function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
  }
}
