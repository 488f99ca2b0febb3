import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { PolicyReporter } from '../../src/agent/policy-report.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { clusterPolicy, namespace, pod, policy } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf } from '../support/pipeline.ts';

const of = (name: string) => policy(`x/${name}`, { podSelector: {} });

describe('telling of single policies', () => {
  let pipeline: Pipeline;
  let generations: Record<string, number>;
  let metrics: ReturnType<typeof createMetrics>;
  let reporter: PolicyReporter;
  let snapshots: number;
  beforeEach(() => {
    pipeline = startPipeline('n1', [pod('x/a'), pod('x/b'), of('p1'), of('p2')]);
    generations = { 'x/p1': 1, 'x/p2': 1, 'x/p3': 1 };
    metrics = createMetrics('1');
    snapshots = 0;
    reporter = new PolicyReporter({
      limit: 2,
      metrics: metrics.policies,
      snapshot: () => {
        snapshots++;
        return pipeline.snapshot;
      },
      versionOf: (id) => (generations[id] ? { uid: id, resourceVersion: '1', generation: generations[id] } : undefined),
    });
  });
  let plans = 0;
  const planned = (state = String(++plans)): void => reporter.planned(state);
  const series = async (): Promise<string[]> => {
    const text = await metrics.registry.metrics();
    return text.split('\n').filter((line) => /^postern_polic(y|ies_without)/.test(line));
  };

  it('tells what they select and what is in force of them', async () => {
    planned();
    reporter.applied(new Set());
    reporter.denied(['x/p1'], 1);
    assert.deepEqual(await series(), [
      'postern_policy_pods{tier="NetworkPolicy",namespace="x",policy="p1"} 2',
      'postern_policy_pods{tier="NetworkPolicy",namespace="x",policy="p2"} 2',
      'postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} 1',
      'postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p2"} 1',
      'postern_policy_denied_connections_total{tier="NetworkPolicy",namespace="x",policy="p1"} 1',
      'postern_policy_denied_connections_total{tier="NetworkPolicy",namespace="x",policy="p2"} 0',
      'postern_policies_without_series 0',
    ]);
  });

  it('holds the generation that the plan began with, whatever comes while it is applied', async () => {
    planned();
    generations['x/p1'] = 2;
    reporter.applied(new Set());
    assert.ok((await series()).includes('postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} 1'));
    planned();
    assert.ok((await series()).includes('postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} 1'));
    reporter.applied(new Set());
    assert.ok((await series()).includes('postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} 2'));
  });

  it('has series for so many and no more, and for others when those go', async () => {
    pipeline.receive(upsertOf(of('p3')));
    planned();
    reporter.applied(new Set());
    reporter.denied(['x/p3'], 1);
    assert.equal((await series()).at(-1), 'postern_policies_without_series 1');
    assert.ok(!(await series()).some((line) => line.includes('p3')));
    pipeline.receive(removeOf(of('p1')));
    planned();
    reporter.applied(new Set());
    reporter.denied(['x/p3'], 1);
    const lines = await series();
    assert.ok(!lines.some((line) => line.includes('p1')));
    assert.ok(
      lines.includes('postern_policy_denied_connections_total{tier="NetworkPolicy",namespace="x",policy="p3"} 1'),
    );
  });

  it('has the tier of a ClusterNetworkPolicy, which has no namespace, and other series when the tier changes', async () => {
    pipeline = startPipeline('n1', [pod('x/a'), namespace('x'), clusterPolicy('guard', {})]);
    generations['/guard'] = 3;
    planned();
    reporter.applied(new Set());
    reporter.denied(['/guard'], 2);
    const expected = [
      ['postern_policy_pods', 1],
      ['postern_policy_generation', 3],
      ['postern_policy_denied_connections_total', 2],
    ];
    assert.deepEqual(
      (await series()).slice(0, 3),
      expected.map(([name, value]) => `${name}{tier="Admin",namespace="",policy="guard"} ${value}`),
    );
    pipeline.receive(upsertOf(clusterPolicy('guard', { tier: 'Baseline' })));
    planned();
    await series();
    reporter.applied(new Set());
    assert.deepEqual(
      (await series()).filter((line) => line.includes('guard')),
      [1, 3, 0].map((value, index) => `${expected[index]![0]}{tier="Baseline",namespace="",policy="guard"} ${value}`),
    );
  });

  it('says of a policy that the kernel refuses that none is in force', async () => {
    planned();
    reporter.applied(new Set(['x/p1']));
    assert.ok((await series()).includes('postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} 0'));
  });

  it('reads no policy again while nothing changes, and yet shows what the kernel refuses meanwhile', async () => {
    const generation = async () => (await series()).find((line) => line.includes('generation') && line.includes('p1'));
    planned('state');
    reporter.applied(new Set());
    const before = snapshots;
    for (let i = 0; i < 3; i++) {
      planned('state');
      reporter.applied(new Set());
    }
    assert.equal(snapshots, before);
    for (const [refused, shown] of [
      [['x/p1'], 0],
      [[], 1],
    ] as const) {
      planned('state');
      reporter.applied(new Set(refused));
      assert.equal(
        await generation(),
        `postern_policy_generation{tier="NetworkPolicy",namespace="x",policy="p1"} ${shown}`,
      );
    }
  });

  it('keeps the counts of one whose pods have left for a while, until it is gone or others want the place', async () => {
    const count = 'postern_policy_denied_connections_total{tier="NetworkPolicy",namespace="x",policy="p1"} 5';
    const selectNone = (name: string) => policy(`x/${name}`, { podSelector: { matchLabels: { app: 'none' } } });
    planned();
    reporter.denied(['x/p1'], 5);
    pipeline.receive(upsertOf(selectNone('p1')));
    planned();
    assert.ok((await series()).includes(count));
    pipeline.receive(upsertOf(of('p1')));
    planned();
    assert.ok((await series()).includes(count));
    pipeline.receive(upsertOf(selectNone('p1')));
    pipeline.receive(upsertOf(of('p3')));
    planned();
    assert.ok(!(await series()).includes(count));
  });
});
