import { deepEqual, throws } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';
import { readHistory } from '../../src/flows/read-history.ts';

const flow: KeptFlow = {
  ...{
    from: { kind: 'workload', namespace: 'x', labels: { app: 'a' } },
    to: { kind: 'block', cidr: '203.0.113.0/24' },
  },
  ...{ local: 'source', protocol: 'TCP', port: 80, verdict: 'allowed', first: 1, last: 2, minutes: [[1, 5]] },
};
const history: FlowHistory = {
  ...{ node: 'n1', now: 3, since: 1, failing: 'no', look: { seconds: 1.5, connections: 7 } },
  flows: [
    flow,
    { ...flow, from: { kind: 'own-node' }, to: { kind: 'namespace', name: 'x' }, port: 'other' },
    { ...flow, from: { kind: 'others' }, to: { kind: 'node', name: 'n2' } },
  ],
};

describe('the answer of an agent', () => {
  it('is read as it was written', () => deepEqual(readHistory(JSON.parse(JSON.stringify(history))), history));

  it('loses labels that controllers set', () => {
    const from = { kind: 'workload', namespace: 'x', labels: { app: 'a', 'job-name': 'j' } };
    deepEqual(readHistory({ ...history, flows: [{ ...flow, from }] }).flows, [flow]);
  });

  const wrong: readonly (readonly [what: string, raw: unknown, field: RegExp])[] = [
    ['no object', 7, /node: not/],
    ['no time', { ...history, now: 'x' }, /now and since: not/],
    ['no flows', { ...history, flows: {} }, /flows: not/],
    ...(
      [
        [{ local: 'here' }, /flows\[0\]: local/],
        [{ verdict: 'maybe' }, /flows\[0\]: local, protocol or verdict/],
        [{ port: 65_536 }, /flows\[0\].port/],
        [{ port: '80' }, /flows\[0\].port/],
        [{ minutes: [[1]] }, /flows\[0\].minutes/],
        [{ minutes: [[1, -1]] }, /flows\[0\].minutes/],
        [{ to: { kind: 'block', cidr: '10.0.0.0/33' } }, /flows\[0\].to/],
        [{ from: { kind: 'workload', namespace: 'x', labels: { app: 7 } } }, /flows\[0\].from/],
        [{ from: { kind: 'elsewhere' } }, /flows\[0\].from/],
      ] as const
    ).map(
      ([change, field]) => [JSON.stringify(change), { ...history, flows: [{ ...flow, ...change }] }, field] as const,
    ),
  ];
  for (const [what, raw, field] of wrong) it(`is refused: ${what}`, () => throws(() => readHistory(raw), field));
});
