import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { DenialTally } from '../../../src/agent/denials/denial-tally.ts';
import type { DescribedDenial } from '../../../src/agent/denials/describe-denial.ts';

const minute = 60_000;
const described = (from: string) => ({ from }) as DescribedDenial;

describe('the tally of denials', () => {
  let tally: DenialTally;
  const next = (now: number): string => {
    const found = tally.next(now);
    return found ? `${found.pod} ${found.connections} ${found.last.from}` : 'none';
  };
  beforeEach(() => void (tally = new DenialTally()));

  it('tells of the pod with most, and of each direction by itself', () => {
    tally.count('x/a', 'ingress', 1, described('one'));
    tally.count('x/b', 'ingress', 5);
    tally.count('x/b', 'ingress', 0, described('two'));
    tally.count('x/b', 'egress', 2, described('three'));
    assert.deepEqual([next(0), next(0), next(0), next(0)], ['x/b 5 two', 'x/b 2 three', 'x/a 1 one', 'none']);
  });

  it('gathers for ten minutes before it tells of the same again', () => {
    tally.count('x/a', 'ingress', 1, described('one'));
    next(0);
    tally.count('x/a', 'ingress', 3, described('two'));
    assert.equal(next(10 * minute - 1), 'none');
    assert.equal(next(10 * minute), 'x/a 3 two');
  });

  it('says nothing of what nothing is known of', () => {
    tally.count('x/a', 'ingress', 7);
    assert.equal(next(0), 'none');
  });

  it('forgets pods that are gone, and those that are denied nothing', () => {
    tally.count('x/a', 'ingress', 1, described('one'));
    tally.count('x/b', 'ingress', 1, described('two'));
    tally.keep((pod) => pod === 'x/b');
    assert.equal(next(0), 'x/b 1 two');
    next(10 * minute);
    assert.equal(tally.size, 0);
  });
});
