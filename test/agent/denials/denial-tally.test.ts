import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { DenialTally } from '../../../src/agent/denials/denial-tally.ts';
import type { DescribedDenial } from '../../../src/agent/denials/describe-denial.ts';
import type { Direction } from '../../../src/model/policy.ts';

const minute = 60_000;

describe('the tally of denials', () => {
  let tally: DenialTally;
  const deny = (pod: string, direction: Direction, connections: number, at: number, from?: string): void => {
    tally.count(pod, direction, connections, at);
    if (from !== undefined) tally.describe(pod, { from, direction } as DescribedDenial);
  };
  const next = (now: number): string => {
    const found = tally.next(now);
    return found ? `${found.pod} ${found.connections} ${found.last.from} ${found.since}-${found.until}` : 'none';
  };
  beforeEach(() => void (tally = new DenialTally()));

  it('tells of the pod with most, and of each direction by itself', () => {
    deny('x/a', 'ingress', 1, 1, 'one');
    deny('x/b', 'ingress', 5, 2);
    deny('x/b', 'ingress', 1, 3, 'two');
    deny('x/b', 'egress', 2, 4, 'three');
    assert.deepEqual(
      [next(5), next(5), next(5), next(5)],
      ['x/b 6 two 2-3', 'x/b 2 three 4-4', 'x/a 1 one 1-1', 'none'],
    );
  });

  it('gathers for ten minutes before it tells of the same again', () => {
    deny('x/a', 'ingress', 1, 0, 'one');
    next(0);
    deny('x/a', 'ingress', 3, minute, 'two');
    deny('x/a', 'ingress', 1, 9.5 * minute, 'three');
    assert.equal(next(10 * minute - 1), 'none');
    assert.equal(next(10 * minute), `x/a 4 three ${minute}-${9.5 * minute}`);
  });

  it('does not tell of what has ended by then', () => {
    deny('x/a', 'ingress', 1, 0, 'one');
    next(0);
    deny('x/a', 'ingress', 3, minute, 'two');
    assert.equal(next(10 * minute), 'none');
    deny('x/a', 'ingress', 2, 11 * minute, 'three');
    assert.equal(next(11 * minute), `x/a 2 three ${11 * minute}-${11 * minute}`);
  });

  it('says nothing of what nothing is known of', () => {
    deny('x/a', 'ingress', 7, 0);
    assert.equal(next(0), 'none');
  });

  it('forgets pods that are gone, and those that are denied nothing', () => {
    deny('x/a', 'ingress', 1, 0, 'one');
    deny('x/b', 'ingress', 1, 0, 'two');
    tally.keep((pod) => pod === 'x/b');
    assert.equal(next(0), 'x/b 1 two 0-0');
    next(10 * minute);
    assert.equal(tally.size, 0);
  });
});
