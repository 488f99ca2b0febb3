import { deepEqual, doesNotMatch, equal } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { FlowEnd, FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';
import { fittingRows, visibleHistories } from '../../src/map/visible-flows.ts';
import { runs } from '../support/runs.ts';

const pods = (namespace: string): FlowEnd => ({ kind: 'workload', namespace, labels: { app: `app-of-${namespace}` } });
const all = (name: string): FlowEnd => ({ kind: 'namespace', name });
const [node, outside, own, others]: FlowEnd[] = [
  { kind: 'node', name: 'n1' },
  { kind: 'block', cidr: '203.0.113.0/24' },
  { kind: 'own-node' },
  { kind: 'others' },
];
const flow = (from: FlowEnd, to: FlowEnd, count = 1): KeptFlow => ({
  ...{ from, to, local: 'both', protocol: 'TCP', port: 80, verdict: 'allowed', first: 1, last: 1 },
  minutes: [[1, count]],
});
const history = (...flows: readonly KeptFlow[]): FlowHistory => ({ node: 'n1', now: 2, since: 1, flows });
const ofShop = { namespaces: new Set(['shop']), nodes: true };

describe('flows that a user may see', () => {
  it('has no end in a namespace that the user may not list', () => {
    const rows: readonly (readonly [name: string, from: FlowEnd, to: FlowEnd, seen: readonly FlowEnd[] | undefined])[] =
      [
        ['within', pods('shop'), pods('shop'), [pods('shop'), pods('shop')]],
        ['from elsewhere', pods('bank'), pods('shop'), [others!, pods('shop')]],
        ['to elsewhere', pods('shop'), all('bank'), [pods('shop'), others!]],
        ['elsewhere', pods('bank'), pods('bank'), undefined],
        ['between others', pods('bank'), all('cash'), undefined],
        ['from outside to elsewhere', outside!, pods('bank'), undefined],
        ['from a node to elsewhere', node!, all('bank'), undefined],
        ['of nodes', node!, outside!, undefined],
        ['from outside', outside!, all('shop'), [outside!, all('shop')]],
        ['from a node', node!, pods('shop'), [node!, pods('shop')]],
        ['to the own node', pods('shop'), own!, [pods('shop'), own!]],
      ];
    for (const [name, from, to, seen] of rows) {
      const [found] = visibleHistories([history(flow(from, to))], ofShop);
      deepEqual(
        found!.flows.map((each) => [each.from, each.to]),
        seen ? [seen] : [],
        name,
      );
    }
  });

  it('names no node if the user may not list nodes', () => {
    const asked = [history(flow(node!, pods('shop')), flow(pods('shop'), pods('bank')))];
    const [found] = visibleHistories(asked, { nodes: false });
    deepEqual(
      found!.flows.map(({ from, to }) => [from, to]),
      [
        [others, pods('shop')],
        [pods('shop'), pods('bank')],
      ],
    );
  });

  it('is all of them if the user may see all', () => {
    const asked = [history(flow(pods('bank'), pods('shop')), flow(node!, outside!))];
    deepEqual(visibleHistories(asked, { nodes: true }), asked);
  });

  it('never has a word of another namespace', () => {
    const end = fc.constantFrom(
      ...['shop', 'bank', 'cash'].flatMap((name) => [pods(name), all(name)]),
      node!,
      outside!,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(end, end)), (pairs) => {
        const seen = visibleHistories([history(...pairs.map(([from, to]) => flow(from, to)))], ofShop);
        doesNotMatch(JSON.stringify(seen), /bank|cash/);
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('flows of a cluster with too many', () => {
  it('are those that were seen for the longest time, of each namespace in turn', () => {
    const long = { ...flow(pods('a'), outside!, 0), first: 1, last: 2, minutes: [] };
    // A scan: many rows of one minute, with many connections.
    const scan = Array.from({ length: 50 }, (_, index) => ({ ...flow(pods('a'), pods('b'), 900), port: index }));
    const [other, into, between] = [flow(pods('b'), node!, 1), flow(outside!, pods('a'), 2), flow(node!, node!, 2)];
    const asked = [history(...scan, into, long), history(other, between)];
    const { histories, leftOut } = fittingRows(asked, 6);
    equal(leftOut, 48);
    deepEqual(
      histories.map(({ flows }) => flows),
      [
        [scan[0], scan[1], into, long],
        [other, between],
      ],
    );
    deepEqual(fittingRows(asked, 54), { histories: asked, leftOut: 0 });
  });
});
