import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { alignHistories } from '../../src/flows/align.ts';
import type { FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';

const flow = (first: number, last: number, minutes: KeptFlow['minutes']): KeptFlow => ({
  ...{ from: { kind: 'others' }, to: { kind: 'own-node' }, local: 'both', protocol: 'ICMP', verdict: 'allowed' },
  ...{ first, last, minutes },
});
const history = (node: string, now: number, since: number, ...flows: KeptFlow[]): FlowHistory => ({
  ...{ node, now, since, flows },
});

describe('histories of agents whose clocks differ', () => {
  it('stand on the clock of most', () => {
    const flows = [
      flow(995, 1000, [
        [995, 1],
        [1000, 2],
      ]),
    ];
    const [a, b] = [history('a', 1000, 990, ...flows), history('b', 1001, 990)];
    // Its clock was that of 1970 when the agent started.
    const c = history(
      'c',
      30,
      20,
      flow(25, 30, [
        [25, 1],
        [30, 2],
      ]),
    );
    const { histories, differences } = alignHistories([c, a, b]);
    deepEqual(histories, [history('c', 1000, 990, ...flows), a, b]);
    deepEqual(differences, [{ node: 'c', ahead: -970, of: 'a' }]);
  });

  it('stay as they are while clocks agree within two minutes', () => {
    const all = [history('a', 1000, 990), history('b', 1002, 990), history('c', 998, 990)];
    deepEqual(alignHistories(all), { histories: all, differences: [] });
    deepEqual(alignHistories([]), { histories: [], differences: [] });
  });

  it('have the last hour, also of an agent that runs for days', () => {
    const open = flow(100, 9990, [
      [9939, 4],
      [9940, 5],
      [9999, 6],
      [10_000, 7],
    ]);
    const [found] = alignHistories([history('a', 9999, 0, open, flow(5, 9939, [[9939, 1]]))]).histories;
    equal(found!.since, 9939);
    deepEqual(found!.flows, [
      {
        ...open,
        minutes: [
          [9940, 5],
          [9999, 6],
        ],
      },
    ]);
  });

  it('are within one hour, and change nothing within it (property)', () => {
    const minute = fc.nat({ max: 10 ** 8 });
    const kept = fc
      .tuple(minute, minute, fc.array(fc.tuple(minute, fc.nat())))
      .map(([first, last, minutes]) => flow(first, last, minutes));
    const any = fc
      .tuple(fc.string(), minute, minute, fc.array(kept))
      .map(([node, now, since, flows]) => history(node, now, since, ...flows));
    fc.assert(
      fc.property(fc.array(any, { minLength: 1 }), (all) => {
        const { histories } = alignHistories(all);
        const clocks = histories.map(({ now }) => now);
        ok(Math.max(...clocks) - Math.min(...clocks) <= 4);
        for (const { now, since, flows } of histories) {
          ok(since >= now - 60 && since <= now);
          for (const { first, last, minutes } of flows) {
            ok(first <= last && last <= now && last > now - 60);
            for (const [each] of minutes) ok(each > now - 60 && each <= now);
          }
        }
        deepEqual(alignHistories(histories).histories, histories);
      }),
    );
  });
});
