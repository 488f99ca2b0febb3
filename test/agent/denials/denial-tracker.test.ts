import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { DenialTracker } from '../../../src/agent/denials/denial-tracker.ts';
import type { DenialLook } from '../../../src/agent/denials/denial-reader.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';

const noted = (port: number, secondsAgo: number, more: Partial<RecordedDenial> = {}): RecordedDenial => ({
  direction: 'ingress',
  family: 'ipv4',
  source: '10.1.0.1',
  destination: '10.1.0.2',
  protocol: 'tcp',
  port,
  packets: 1,
  secondsAgo,
  ...more,
});

describe('the tracker of denials', () => {
  let tracker: DenialTracker;
  const page = { verdict: 'denied', direction: 'ingress', family: 'ipv4' } as const;
  const newsOf = (
    of: Pick<DenialLook, 'verdict' | 'direction' | 'family'>,
    now: number,
    ...denials: RecordedDenial[]
  ) => tracker.takeNew({ ...of, denials, at: now * 1000 });
  const news = (now: number, ...denials: RecordedDenial[]) =>
    newsOf(page, now, ...denials).map(({ port, protocol }) => port ?? protocol);
  beforeEach(() => void (tracker = new DenialTracker()));

  it('has each note of the kernel once, however its age is rounded', () => {
    assert.deepEqual(news(100, noted(80, 3)), [80]);
    assert.deepEqual(news(105, noted(80, 9), noted(81, 0)), [81]);
    assert.deepEqual(news(156, noted(80, 58), noted(81, 52)), []);
  });

  it('has a connection again that the kernel has forgotten and noted anew', () => {
    news(100, noted(80, 0));
    assert.deepEqual(news(162, noted(80, 1)), [80]);
  });

  it('has it again also where no look came between', () => {
    news(100, noted(80, 0));
    assert.deepEqual(news(161, noted(80, 0)), [80]);
  });

  it('keeps apart what differs in one part of the tuple, the two directions, and the two families', () => {
    const others = [{ source: '10.1.0.3' }, { destination: '10.1.0.3' }, { protocol: 'udp' }];
    assert.equal(news(100, noted(80, 0), ...others.map((more) => noted(80, 0, more))).length, 4);
    for (const other of [{ direction: 'egress' }, { family: 'ipv6' }] as const) {
      assert.equal(newsOf({ ...page, ...other }, 100, noted(80, 0, other)).length, 1);
      assert.equal(newsOf({ ...page, ...other }, 101, noted(80, 1, other)).length, 0);
    }
    assert.deepEqual(news(101, noted(80, 1)), []);
  });

  it('takes notes for one that differ only in what is not told, whichever comes first', () => {
    const ping = (secondsAgo: number): RecordedDenial => {
      const { port: _, ...rest } = noted(0, secondsAgo, { protocol: '1' });
      return rest;
    };
    assert.deepEqual(news(100, ping(10), ping(45)), ['1']);
    assert.deepEqual(news(105, ping(50), ping(15), ping(2)), []);
    assert.deepEqual(news(110, ping(20), ping(55), ping(7)), []);
    assert.deepEqual(newsOf(page, 500, ping(3), ping(2)), [{ ...ping(2), packets: 2 }]);
  });
});
