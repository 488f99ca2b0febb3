import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { FlowEnd, FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';
import { mergeHistories } from '../../src/flows/traffic.ts';

const end = (app: string): FlowEnd => ({ kind: 'workload', namespace: 'x', labels: { app } });
const flow = (local: KeptFlow['local'], minutes: KeptFlow['minutes'], more: Partial<KeptFlow> = {}): KeptFlow => ({
  ...{ from: end('web'), to: end('api'), local, protocol: 'TCP', port: 80, verdict: 'allowed' },
  ...{ first: minutes[0]?.[0] ?? 90, last: minutes.at(-1)?.[0] ?? 100, minutes },
  ...more,
});
const history = (node: string, ...flows: KeptFlow[]): FlowHistory => ({ node, now: 100, since: 50, flows });
const counts = (...histories: FlowHistory[]) => mergeHistories(histories, 60).map(({ connections }) => connections);

describe('flows of several nodes', () => {
  it('count once where the nodes of both ends report them', () => {
    deepEqual(counts(history('n1', flow('source', [[99, 4]])), history('n2', flow('destination', [[99, 4]]))), [4]);
  });

  it('are not lost where one of the two nodes did not answer, or saw fewer', () => {
    deepEqual(counts(history('n2', flow('destination', [[99, 4]]))), [4]);
    deepEqual(counts(history('n1', flow('source', [[99, 1]])), history('n2', flow('destination', [[99, 4]]))), [4]);
  });

  it('add up where they are other connections: of pods of one node, and of pods of several nodes', () => {
    const [n1, n2] = [
      history('n1', flow('both', [[99, 2]]), flow('source', [[99, 3]])),
      history('n2', flow('source', [[98, 5]])),
    ];
    deepEqual(counts(n1, n2), [10]);
    deepEqual(mergeHistories([n1, n2], 60)[0]!.minutes, [
      [98, 5],
      [99, 5],
    ]);
  });

  it('stay apart by verdict, port and ends', () => {
    const others = [flow('both', [[99, 1]], { verdict: 'denied' }), flow('both', [[99, 1]], { port: 81 })];
    deepEqual(counts(history('n1', flow('both', [[99, 1]]), ...others)), [1, 1, 1]);
  });

  it('are those of the time that was asked for, by the clock of each agent', () => {
    const late = {
      ...history(
        'n2',
        flow('both', [
          [1090, 7],
          [1099, 1],
        ]),
      ),
      now: 1100,
    };
    const early = history('n1', flow('both', [[80, 9]]), flow('both', [], { port: 443, first: 10, last: 100 }));
    const found = mergeHistories([early, late], 10);
    deepEqual(
      found.map(({ port, connections, first, last }) => ({ port, connections, first, last })),
      [
        { port: 80, connections: 1, first: 1090, last: 1099 },
        // Open since before.
        { port: 443, connections: 0, first: 10, last: 100 },
      ],
    );
  });
});
