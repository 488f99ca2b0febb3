import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { NodeReporter } from '../../src/agent/node-report.ts';
import type { Guard } from '../../src/compile/compile.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { emptySnapshot } from '../../src/model/snapshot.ts';
import { sandbox } from '../state/samples.ts';

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
      { name: 'rules', reason: 'not known yet' },
      { name: 'gate', note: 'not known yet' },
      { name: 'guard', note: 'on' },
    ]);
  });

  const doubt =
    'off: addresses of pods show that 10.1.0.0/24 of its Node is not where its pods alone get theirs; --pod-cidr says where';
  for (const [what, gate, ranges, disputed, note] of [
    ['the ranges of the gate', true, ['10.1.0.0/24', 'fd00::/64'], [], '10.1.0.0/24, fd00::/64'],
    ['that no range is known', true, [], [], 'off: no range of this node is known'],
    ['that the ranges of the Node are in doubt', true, [], ['10.1.0.0/24'], doubt],
    ['that others are gated', true, ['10.2.0.0/24'], ['10.1.0.0/24'], '10.2.0.0/24'],
    ['that the gate is turned off', false, [], [], 'off: --no-start-gate'],
  ] as const) {
    it(`says ${what}, in the log once`, () => {
      const reporter = create(gate);
      for (let i = 0; i < 2; i++) reporter.applied({ ...emptySnapshot, gatedRanges: ranges }, disputed, false);
      assert.deepEqual([ready.ok, notes()], [true, [undefined, note, 'on']]);
      assert.equal(messages().length, 1);
    });
  }

  it('says what is guarded, and warns where the kernel cannot', () => {
    create(true, false, '--no-guard');
    assert.deepEqual([notes()[2], messages()], ['off: --no-guard', []]);
    create(true, 'routed', 'this kernel cannot');
    assert.equal(notes()[2], 'for routed pods only: this kernel cannot');
    assert.equal(messages().length, 1);
  });

  it('says for how long what was kept is in force', async () => {
    const reporter = create(true);
    reporter.applied(emptySnapshot, [], true);
    assert.match(notes()[0]!, /^what this node had kept is in force/);
    assert.equal(await metric('postern_state_restored'), '1');
    reporter.applied(emptySnapshot, [], false);
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
    const pipeline = { unknownSandboxes: [one, one], unlinked: [] };
    create(true).count(pipeline, source);
    source.liveSandboxes = 7;
    const names = ['sandboxes', 'unknown_sandboxes', 'unlinked_local_pods', 'gated_ranges'];
    const counts = await Promise.all(names.map((name) => metric(`postern_${name}`)));
    assert.deepEqual(counts, ['7', '2', '0', '1']);
  });
});
