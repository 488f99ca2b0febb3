import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { NodeReporter } from '../../src/agent/node-report.ts';
import type { Guard } from '../../src/compile/assemble.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { emptySnapshot } from '../../src/model/snapshot.ts';
import { sandbox } from '../state/samples.ts';

const noDoubts = { disputedRanges: [], gateClaims: [] };

describe('NodeReporter', () => {
  let ready: Checks;
  let log: string[];
  let metrics: ReturnType<typeof createMetrics>;

  beforeEach(() => {
    ready = new Checks(['rules', 'gate', 'guard']);
    log = [];
    metrics = createMetrics('0');
  });

  const create = (startGate: boolean, guard: Guard = true, unguarded?: string): NodeReporter => {
    const destination = { write: (line: string) => log.push(line) };
    const logger = createLogger({ level: 'info', node: 'n1', version: '0', destination });
    return new NodeReporter({ startGate, guard, unguarded, ready, metrics: metrics.node, logger });
  };
  const notes = (): (string | undefined)[] => ready.results().map(({ note }) => note);
  const messages = (): string[] => log.splice(0).map((line) => (JSON.parse(line) as { msg: string }).msg);
  const metric = async (name: string): Promise<string | undefined> =>
    new RegExp(`^${name} (.*)$`, 'm').exec(await metrics.registry.metrics())?.[1];

  it('leaves it to the rules to say that there are none yet', () => {
    create(true);
    assert.deepEqual(ready.results(), [
      { name: 'rules', reason: 'not checked yet' },
      { name: 'gate', note: 'not applied yet' },
      { name: 'guard', note: 'on' },
    ]);
  });

  const doubt =
    'off: a pod of this node has an address outside of the pod range 10.1.0.0/24 of its Node: the network plugin does not use that range; set the right one with --pod-cidr';
  for (const [what, gate, ranges, disputed, note] of [
    ['the ranges of the gate', true, ['10.1.0.0/24', 'fd00::/64'], [], '10.1.0.0/24, fd00::/64'],
    ['that no range is known', true, [], [], 'off: the pod ranges of this node are unknown'],
    ['that the ranges of the Node are in doubt', true, [], ['10.1.0.0/24'], doubt],
    ['that others are gated', true, ['10.2.0.0/24'], ['10.1.0.0/24'], '10.2.0.0/24'],
    ['that the gate is turned off', false, [], [], 'off: --no-start-gate'],
  ] as const) {
    it(`says ${what}, in the log once`, () => {
      const reporter = create(gate);
      const doubts = { disputedRanges: disputed, gateClaims: [] };
      for (let i = 0; i < 2; i++) reporter.applied({ ...emptySnapshot, gatedRanges: ranges }, doubts, false);
      assert.deepEqual([ready.ok, notes()], [true, [undefined, note, 'on']]);
      assert.equal(messages().length, 1);
    });
  }

  it('says whose pods claim addresses in the ranges, and is silent where only their number changes', () => {
    const reporter = create(true);
    const claims = (addresses: number) => [
      { node: 'n9', addresses: 600, pass: false },
      ...['n8', 'n7', 'n6', 'n5', 'n4', 'n3'].map((node) => ({ node, addresses, pass: true })),
    ];
    const snapshot = { ...emptySnapshot, gatedRanges: ['10.1.0.0/24'] };
    for (const addresses of [1, 2])
      reporter.applied(snapshot, { disputedRanges: [], gateClaims: claims(addresses) }, false);
    const passing = 'pods of n3, n4, n5, n6, n7, 1 more claim addresses there, which pass the gate';
    const others = 'pods of n9 claim addresses there, which do not pass the gate';
    assert.equal(notes()[1], `10.1.0.0/24; ${passing}; ${others}`);
    assert.deepEqual(messages(), [`the gate is on; ${passing}; ${others}`]);
  });

  it('says what is guarded, and warns where the kernel cannot', () => {
    create(true, false, '--no-guard');
    assert.deepEqual([notes()[2], messages()], ['off: --no-guard', []]);
    create(true, 'routed', 'this kernel cannot');
    assert.equal(notes()[2], 'for routed pods only: this kernel cannot');
    assert.equal(messages().length, 1);
  });

  it('says for how long what was kept is in force', async () => {
    const reporter = create(true);
    reporter.applied(emptySnapshot, noDoubts, true);
    assert.match(notes()[0]!, /^the saved state of this node is in force/);
    assert.equal(await metric('postern_state_restored'), '1');
    reporter.applied(emptySnapshot, noDoubts, false);
    assert.equal(notes()[0], undefined);
    assert.equal(await metric('postern_state_restored'), '0');
  });

  it('warns of a sandbox whose pod is not there', async () => {
    const reporter = create(true);
    const one = sandbox('s1', 'x/a/u1', ['10.1.0.1']);
    reporter.fetched('found', one);
    reporter.fetched('failed', one, new Error('no answer'));
    reporter.fetched('missing', one);
    const lines = log.map((line) => JSON.parse(line) as { level: string; pod: string });
    assert.deepEqual(
      lines.map(({ level, pod }) => `${level} ${pod}`),
      ['info x/a', 'warn x/a'],
    );
    assert.equal(await metric('postern_pod_fetches_total{result="missing"}'), '1');
  });

  it('counts when it is asked', async () => {
    const one = sandbox('s1', 'x/a/u1', ['10.1.0.1']);
    const source = { snapshot: { ...emptySnapshot, gatedRanges: ['10.1.0.0/24'] }, liveSandboxes: 5 };
    const gateClaims = [{ node: 'n2', addresses: 3, pass: true }];
    const pipeline = { unknownSandboxes: [one, one], unlinked: [], gateClaims };
    create(true).count(pipeline, source);
    source.liveSandboxes = 7;
    const names = ['sandboxes', 'unknown_sandboxes', 'unlinked_local_pods', 'gated_ranges', 'gate_claimed_addresses'];
    const counts = await Promise.all(names.map((name) => metric(`postern_${name}`)));
    assert.deepEqual(counts, ['7', '2', '0', '1', '3']);
  });
});
