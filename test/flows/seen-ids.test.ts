import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SeenIds } from '../../src/flows/seen-ids.ts';

describe('ids of connections that were met', () => {
  it('are new once, also in the next look, and again after a look without them', () => {
    const ids = new SeenIds(10);
    deepEqual([ids.isNew(5), ids.isNew(5)], [true, false]);
    ids.turn();
    equal(ids.isNew(5), false);
    ids.turn();
    equal(ids.isNew(5), false);
    ids.turn();
    ids.turn();
    equal(ids.isNew(5), true);
  });

  it('take some new ones for known ones, and never more than the places that are full', () => {
    const ids = new SeenIds(16);
    let news = 0;
    // A multiplicative hash, as unlike an order as the kernel's ids are.
    for (let index = 1; index <= 4096; index++) if (ids.isNew(Math.imul(index, 2_654_435_761))) news++;
    ok(news > 4096 * 0.98, `${news} of 4096`);
  });
});
