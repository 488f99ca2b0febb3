import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Metric } from 'prom-client';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { expectDocTable } from '../support/doc-table.ts';

/** What prom-client knows at run time, but for `help` and `name` not in its types. */
type MetricFacts = {
  readonly help: string;
  readonly name: string;
  readonly labelNames: readonly string[];
  readonly type: string;
};

function ownMetrics(): MetricFacts[] {
  const { registry } = createMetrics('1.2.3');
  const metrics = registry.getMetricsAsArray() as unknown as (MetricFacts & Metric)[];
  return metrics.filter(({ name }) => name.startsWith('postern_'));
}

async function exported(record: (metrics: ReturnType<typeof createMetrics>) => void): Promise<string> {
  const metrics = createMetrics('1.2.3');
  record(metrics);
  return metrics.registry.metrics();
}

describe('the metrics', () => {
  it('are listed in the docs', async () => {
    const rows = ownMetrics().map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return [`\`${name}\``, type, labels, help];
    });
    await expectDocTable('docs/reference/metrics.md', ['Metric', 'Type', 'Labels', 'Meaning'], rows);
  });

  it('have names as Prometheus wants them', () => {
    for (const { name, type, help } of ownMetrics()) {
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      if (type === 'histogram') assert.match(name, /_seconds$/);
      assert.match(help, /^[A-Z].*\.$/);
    }
  });

  it('do not meet those of another agent in the process', async () => {
    createMetrics('other').issues.refusedPolicies(7);
    assert.match(await exported(() => undefined), /^postern_refused_policies 0$/m);
  });

  it('have every code of an error of nft from the start, so that the first of them is an increase', async () => {
    const text = await exported(() => undefined);
    const codes = Array.from(text.matchAll(/^postern_apply_errors_total\{code="(\w+)"\} 0$/gm), ([, code]) => code!);
    assert.deepEqual(codes.sort(), ['aborted', 'crashed', 'denied', 'failed', 'missing', 'refused', 'timeout']);
  });

  it('show flows as they are at each scrape, and nothing where no flows are kept', async () => {
    const { registry, flows } = createMetrics('1.2.3');
    const shown = async () => (await registry.metrics()).match(/^postern_flow_.*$/gm);
    assert.equal(await shown(), null);
    const counted = { own: 9, block: 0, ports: 2, others: 0, namespace: 1 };
    const figures = { rows: 3, counted, isFailing: true };
    flows.figures(() => figures);
    const before = await shown();
    Object.assign(figures, { isFailing: false, look: { seconds: 0.4, connections: 70 } });
    const connections = Object.entries(counted).map(([row, n]) => `postern_flow_connections_total{row="${row}"} ${n}`);
    assert.deepEqual(before, ['postern_flow_rows 3', ...connections, 'postern_flow_look_failing 1']);
    assert.deepEqual(await shown(), [
      ...['postern_flow_rows 3', ...connections, 'postern_flow_look_seconds 0.4'],
      ...['postern_flow_look_connections 70', 'postern_flow_look_failing 0'],
    ]);
  });

  it('forget issues that are gone', async () => {
    const { registry, issues } = createMetrics('1.2.3');
    const cidr = { code: 'invalid-cidr', effect: 'failed-closed', count: 2 };
    let current = [cidr, { code: 'invalid-port', effect: 'ignored', count: 1 }];
    issues.issues(() => current);
    const shown = async () => (await registry.metrics()).match(/^postern_issues\{.*$/gm);
    assert.equal((await shown())?.length, 2);
    current = [{ code: 'invalid-port', effect: 'ignored', count: 3 }];
    assert.deepEqual(await shown(), ['postern_issues{code="invalid-port",effect="ignored"} 3']);
  });

  it('count what they are told', async () => {
    const text = await exported(({ apply, watch, snapshot, node, readiness }) => {
      readiness.checks(() => [
        { name: 'rules', note: 'restored' },
        { name: 'nft', reason: 'gone' },
      ]);
      // S7.2
      apply.eventToKernel(0.2);
      apply.stage('switch', 0.003);
      apply.operations('add elements', 5);
      apply.operations('add elements', 2);
      apply.error('refused');
      apply.adopted('unchanged');
      apply.sizes(() => ({ sets: 1, maps: 2, chains: 3, classes: 4, elements: 5 }));
      watch.contact('pods');
      watch.event('pods', 'remove');
      watch.interrupted('pods', 'silent');
      watch.listed('pods', 'again');
      watch.skipped('pods');
      snapshot.sizes(() => ({ localPods: 1, policies: 2, groups: 3, members: 4 }));
      snapshot.unprogrammed(() => 1);
      node.counts(() => ({ sandboxes: 1, unknownSandboxes: 2, unlinkedPods: 3, gatedRanges: 4, gateClaims: 5 }));
      node.sandboxCache(true);
      node.sandboxCacheProblem();
      node.podFetch('missing');
      node.stateWrite('failed');
      node.restored(true);
    });
    for (const line of [
      'postern_event_to_kernel_seconds_bucket{le="0.1"} 0',
      'postern_event_to_kernel_seconds_bucket{le="0.25"} 1',
      'postern_apply_stage_duration_seconds_count{stage="switch"} 1',
      'postern_apply_operations_total{verb="add elements"} 7',
      'postern_apply_errors_total{code="refused"} 1',
      'postern_adoptions_total{result="unchanged"} 1',
      'postern_ruleset_objects{kind="class"} 4',
      'postern_ruleset_elements 5',
      'postern_watch_events_total{resource="pods",op="remove"} 1',
      'postern_watch_interruptions_total{resource="pods",reason="silent"} 1',
      'postern_watch_lists_total{resource="pods",kind="again"} 1',
      'postern_watch_skipped_total{resource="pods"} 1',
      'postern_address_group_members 4',
      'postern_unprogrammed_local_pods 1',
      'postern_sandboxes 1',
      'postern_unknown_sandboxes 2',
      'postern_unlinked_local_pods 3',
      'postern_gated_ranges 4',
      'postern_gate_claimed_addresses 5',
      'postern_sandbox_cache_available 1',
      'postern_sandbox_cache_problems_total 1',
      'postern_pod_fetches_total{result="missing"} 1',
      'postern_state_writes_total{result="failed"} 1',
      'postern_state_restored 1',
      'postern_check_ok{check="rules"} 1',
      'postern_check_ok{check="nft"} 0',
      `postern_build_info{version="1.2.3",node_version="${process.version}"} 1`,
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
  });
});
