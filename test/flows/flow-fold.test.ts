import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { FlowFold, type Seen, type SeenEnd } from '../../src/flows/flow-fold.ts';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';

const workload = (app: string, namespace = 'x'): SeenEnd => ({ end: { kind: 'workload', namespace, labels: { app } } });
const outside = (number: number): SeenEnd => ({
  end: { kind: 'block', cidr: `203.0.${number >> 8}.${number & 255}/32` },
  wider: { kind: 'block', cidr: `203.0.${number >> 8}.0/24` },
});
const seen = (from: SeenEnd, to: SeenEnd, port: number, rest: Partial<Seen> = {}): Seen => ({
  ...{ from, to, port, local: 'both', protocol: 'TCP', verdict: 'allowed' },
  ...rest,
});
const [web, api] = [workload('web'), workload('api')];

describe('folding of connections', () => {
  const count = (fold: FlowFold, each: Seen, connections = 1): void => {
    const row = fold.find(each);
    ok(row);
    fold.count(row, connections);
  };
  const total = (fold: FlowFold): number =>
    fold.flows().reduce((sum, { minutes }) => sum + minutes.reduce((all, [, each]) => all + each, 0), 0);

  it('counts by ends, port and verdict, and by minute', () => {
    const fold = new FlowFold(100);
    count(fold, seen(web, api, 80));
    count(fold, seen(web, api, 80), 2);
    count(fold, seen(web, api, 80, { verdict: 'denied' }));
    fold.advance(102);
    count(fold, seen(web, api, 80), 5);
    const ends = { from: web.end, to: api.end, local: 'both', protocol: 'TCP', port: 80 };
    deepEqual(fold.flows(), [
      {
        ...ends,
        verdict: 'allowed',
        first: 100,
        last: 102,
        minutes: [
          [100, 3],
          [102, 5],
        ],
      },
      { ...ends, verdict: 'denied', first: 100, last: 100, minutes: [[100, 1]] },
    ]);
  });

  it('forgets what was last seen an hour ago, and counts of an hour ago', () => {
    const fold = new FlowFold(100);
    count(fold, seen(web, api, 80));
    count(fold, seen(api, web, 90), 7);
    fold.advance(159);
    // It is still open.
    fold.count(fold.find(seen(web, api, 80))!, 0);
    deepEqual(
      fold.flows().map(({ minutes }) => minutes),
      [[[100, 1]], [[100, 7]]],
    );
    fold.advance(160);
    deepEqual(
      fold.flows().map(({ port, first, last, minutes }) => ({ port, first, last, minutes })),
      [{ port: 80, first: 100, last: 159, minutes: [] }],
    );
    count(fold, seen(web, api, 80), 2);
    deepEqual(fold.flows()[0]?.minutes, [[160, 2]]);
    fold.advance(100_000);
    equal(fold.size, 0);
    // The slots of rows that are gone hold no counts.
    count(fold, seen(api, web, 1));
    equal(total(fold), 1);
  });

  it('makes no row for a connection that was counted before', () => {
    const fold = new FlowFold(100);
    equal(fold.find(seen(web, api, 80), false), undefined);
    count(fold, seen(web, api, 80));
    ok(fold.find(seen(web, api, 80), false));
  });

  it('keeps a scan of all ports in the rows of the workload that scans', () => {
    const fold = new FlowFold(100);
    for (let port = 1; port <= 65_535; port++) count(fold, seen(web, api, port));
    equal(total(fold), 65_535);
    equal(fold.size, 129);
    const others = fold.flows().find(({ port }) => port === 'other');
    deepEqual([others?.from, others?.to], [web.end, api.end]);
    equal(others?.minutes[0]?.[1], 65_535 - 128);
    deepEqual(fold.counted, { own: 128, block: 0, ports: 65_535 - 128, others: 0, namespace: 0 });
    // Another workload of the namespace still has its own rows.
    count(fold, seen(api, web, 443));
    ok(fold.flows().some(({ port }) => port === 443));
  });

  it('folds many addresses outside into blocks, then into others', () => {
    const fold = new FlowFold(100);
    for (let number = 0; number < 256 * 100; number++) count(fold, seen(web, outside(number), 443));
    equal(total(fold), 256 * 100);
    ok(fold.size < 128 * 1.75 + 10, `${fold.size} rows`);
    const kinds = new Set(fold.flows().map(({ to }) => (to.kind === 'block' ? to.cidr.split('/')[1] : to.kind)));
    deepEqual([...kinds], ['32', '24', 'others']);
  });

  it('charges what comes from outside to the pods that it reaches, apart from what these open', () => {
    const fold = new FlowFold(100);
    for (let number = 0; number < 10_000; number++) count(fold, seen(outside(number), api, 1000 + (number % 5000)));
    count(fold, seen(api, web, 5432));
    equal(total(fold), 10_001);
    ok(fold.flows().some(({ from, port }) => from === api.end && port === 5432));
    ok(fold.size < 128 * 1.75 + 10, `${fold.size} rows`);
    ok(fold.flows().every(({ to }) => to === api.end || to === web.end));
  });

  it('gives all workloads of a namespace so many rows together, and those of another their own', () => {
    const limits = { ofOpener: 8, ofNamespace: 16, all: 1000 };
    const fold = new FlowFold(100, limits);
    // A tenant who relabels pods makes a new workload each time.
    for (let number = 0; number < 5_000; number++) count(fold, seen(workload(`w${number}`), api, 80));
    ok(fold.size <= 16 * 1.75 + 1, `${fold.size} rows`);
    const rest = fold.flows().find(({ from }) => from.kind === 'namespace');
    deepEqual([rest?.from, rest?.to], [{ kind: 'namespace', name: 'x' }, { kind: 'others' } satisfies FlowEnd]);
    count(fold, seen(workload('other', 'y'), api, 80));
    ok(fold.flows().some(({ from }) => from.kind === 'workload' && from.namespace === 'y'));
    equal(total(fold), 5_001);
  });

  it('keeps rows for clients that were answered, whatever forged addresses send', () => {
    const fold = new FlowFold(100);
    for (let number = 0; number < 300; number++)
      count(fold, seen(outside(number * 256), web, 80, { verdict: 'unanswered' }));
    count(fold, seen(outside(7), web, 443));
    const [row] = fold.flows().filter(({ verdict }) => verdict === 'allowed');
    deepEqual([row?.from, row?.port], [outside(7).end, 443]);
  });

  it('leaves rows for a namespace that comes after many busy ones', () => {
    const fold = new FlowFold(100, { ofOpener: 100, ofNamespace: 100, all: 400 });
    for (let number = 0; number < 16_000; number++)
      count(fold, seen(workload(`w${number % 9}`, `t${number % 16}`), workload(`p${number}`), number));
    for (let port = 1; port <= 5; port++) count(fold, seen(workload('late', 'y'), api, port));
    const kept = fold.flows().filter(({ from }) => from.kind === 'workload' && from.namespace === 'y');
    deepEqual(
      kept.map(({ port }) => port),
      [1, 2, 3, 4, 5],
    );
  });

  it('has a limit for all', () => {
    const fold = new FlowFold(100, { ofOpener: 10, ofNamespace: 10, all: 20 });
    for (let number = 0; number < 1_000; number++) {
      const from = workload('web', `n${number % 50}`);
      count(fold, seen(from, api, number));
    }
    equal(total(fold), 1_000);
    ok(fold.size <= 20 * 1.75 + 50, `${fold.size} rows`);
  });

  it('gives rows back to the workload when they are gone', () => {
    const fold = new FlowFold(100, { ofOpener: 2, ofNamespace: 100, all: 100 });
    for (let port = 1; port <= 50; port++) count(fold, seen(web, api, port));
    fold.advance(200);
    for (let port = 1; port <= 2; port++) count(fold, seen(web, api, port));
    deepEqual(
      fold.flows().map(({ port }) => port),
      [1, 2],
    );
  });
});
