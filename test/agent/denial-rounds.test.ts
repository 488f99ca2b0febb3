import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { chooseToRead } from '../../src/agent/pod-networks/denial-rounds.ts';

describe('the pods whose denials the agent reads', () => {
  it('all have a turn before their records expire, and a call reads a tenth of them', () => {
    for (const count of [1, 4, 5, 47, 110, 250]) {
      const all = Array.from({ length: count }, (_, index) => index);
      for (const start of [0, count - 1, 3 * count]) {
        const read = new Set<number>();
        let first = start;
        for (let call = 0; call < 10; call++) {
          const { chosen, next } = chooseToRead(all, first);
          ok(chosen.length <= Math.max(4, Math.ceil(count / 10)));
          for (const each of chosen) read.add(each);
          first = next;
        }
        equal(read.size, count, `${count} from ${start}`);
      }
    }
    deepEqual(chooseToRead([], 7), { chosen: [], next: 0 });
  });
});
