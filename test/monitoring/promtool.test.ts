import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { before, describe, it } from 'mocha';
import { requirePrometheus } from '../support/prometheus.ts';
import { alertFile, alertRules } from './alert-rules.ts';

interface Story {
  readonly alert: string;
  /** Series -> its values, one a minute, in promtool's notation: `0x5 1x20` stays 0 for six minutes, then 1. */
  readonly series: Readonly<Record<string, string>>;
  /** Minutes at which nothing fires, and at which it does. */
  readonly silent: readonly number[];
  readonly fires: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
}

const buckets = (slow: string): Record<string, string> => ({
  'postern_event_to_kernel_seconds_bucket{node="n1",le="0.5"}': '0x40',
  'postern_event_to_kernel_seconds_bucket{node="n1",le="2.5"}': slow,
  'postern_event_to_kernel_seconds_bucket{node="n1",le="+Inf"}': slow,
});

const stories: readonly Story[] = [
  {
    alert: 'PosternAgentDown',
    series: { 'up{job="mine-postern",node="n1"}': '1x5 0x20', 'up{job="other",node="n2"}': '0x30' },
    silent: [5, 10],
    fires: 11,
    labels: { job: 'mine-postern' },
    summary: 'The Postern agent of node n1 does not answer: its last rules stay in force, and changes are not applied.',
  },
  {
    alert: 'PosternNotEnforcing',
    series: {
      'postern_check_ok{node="n1",check="rules"}': '1x5 0x1 1 0x20',
      'postern_check_ok{node="n1",check="nft"}': '1x30',
    },
    silent: [5, 7, 10],
    fires: 11,
    labels: { check: 'rules' },
    summary: 'Postern does not enforce all policies on node n1: the check rules fails.',
  },
  {
    alert: 'PosternApiStale',
    series: {
      'postern_watch_last_contact_timestamp_seconds{node="n1",resource="pods"}': '0+60x30',
      'postern_watch_last_contact_timestamp_seconds{node="n1",resource="nodes"}': '0+60x5 300x30',
    },
    silent: [5, 10, 11],
    fires: 12,
    summary: 'Postern on node n1 has received nothing from the API server for 7m 0s: it enforces the last known state.',
  },
  {
    alert: 'PosternApplyErrors',
    series: { 'postern_apply_errors_total{node="n1",code="timeout"}': '0x5 1x30' },
    silent: [5, 17],
    fires: 6,
    labels: { code: 'timeout' },
    summary: 'Postern could not apply a change of rules on node n1 (timeout); it tries again.',
  },
  {
    alert: 'PosternPolicyRefused',
    series: { 'postern_refused_policies{node="n1"}': '0x5 2x30' },
    silent: [5, 6],
    fires: 7,
    summary: 'The kernel of node n1 refuses 2 policies: their pods are isolated and their allow rules are missing.',
  },
  {
    alert: 'PosternDrift',
    series: { 'postern_drift_total{node="n1"}': '0x5 1x30' },
    silent: [5, 22],
    fires: 6,
    summary: 'Another program changed a table of Postern on node n1; Postern restored it.',
  },
  {
    alert: 'PosternNotCompared',
    series: {
      'postern_table_compared_timestamp_seconds{node="n1",family="ip"}': '0+60x40',
      'postern_table_compared_timestamp_seconds{node="n1",family="ip6"}': '0+60x5 300x40',
      'process_start_time_seconds{node="n1",job="postern"}': '0x40',
      'process_start_time_seconds{node="n2",job="other"}': '0x40',
    },
    silent: [5, 25, 26],
    fires: 27,
    summary: 'Postern on node n1 has not compared the rules in the kernel with what they should be for 22m 0s.',
  },
  {
    alert: 'PosternNotCompared',
    series: { 'process_start_time_seconds{node="n1",job="postern"}': '0x40' },
    silent: [5, 21],
    fires: 22,
    summary: 'Postern on node n1 has not compared the rules in the kernel with what they should be for 22m 0s.',
  },
  {
    alert: 'PosternSlow',
    series: buckets('0x5 1+1x30'),
    silent: [5, 15],
    fires: 16,
    summary: 'Changes take 2.48s to reach the kernel of node n1.',
  },
  {
    alert: 'PosternPodsUnprogrammed',
    series: { 'postern_unprogrammed_local_pods{node="n1"}': '0x5 1x30' },
    silent: [5, 20],
    fires: 21,
    summary:
      '1 pods of node n1 are not in the rules: with the start gate they have no network, without it no policy applies to them.',
  },
  {
    alert: 'PosternPodsUnguarded',
    series: { 'postern_issues{node="n1",code="not-guarded",effect="not-enforced"}': '0x5 3x30' },
    silent: [5, 10],
    fires: 11,
    summary: '3 pods of node n1 could send with the address of another pod: Postern does not know their devices.',
  },
  {
    alert: 'PosternPodNetworkDrift',
    series: { 'postern_pod_network_drift_total{node="n1"}': '0x5 1x30' },
    silent: [5, 22],
    fires: 6,
    summary:
      "A program in a pod of node n1 changed Postern's rules in the pod's network namespace; Postern restored them.",
  },
  {
    alert: 'PosternNotEnforced',
    series: {
      'postern_issues{node="n1",code="not-enforceable",effect="not-enforced"}': '0x5 1x30',
      'postern_issues{node="n2",code="invalid-port",effect="ignored"}': '1x40',
    },
    silent: [5, 10],
    fires: 11,
    labels: { code: 'not-enforceable' },
    summary:
      'Postern cannot enforce policies for 1 pods of node n1 (not-enforceable): the node does not see their packets.',
  },
];

describe('the alerts, as promtool has them', function () {
  this.timeout(150_000);
  let promtool: string;
  before(async function () {
    ({ promtool } = await requirePrometheus(this));
  });

  it('are rules', async () => {
    const { stdout } = await execa(promtool, ['check', 'rules', '--lint-fatal', alertFile]);
    assert.ok(stdout.includes(`SUCCESS: ${alertRules.length} rules found`), stdout);
  });

  it('go with the scrape configuration in the docs', async () => {
    const docs = await readFile(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
    const lines = /^    - job_name:(?:.*\n)+?(?=\n)/m.exec(docs)![0];
    await inFolder(async (folder) => {
      const file = join(folder, 'prometheus.yml');
      await writeFile(file, `scrape_configs:\n${lines}`);
      const { exitCode, stderr } = await execa(promtool, ['check', 'config', file], { reject: false });
      assert.equal(exitCode, 0, stderr);
    });
  });

  it('have a story each, or more', () => {
    assert.deepEqual(
      [...new Set(stories.map(({ alert }) => alert))],
      alertRules.map(({ alert }) => alert),
    );
  });

  for (const story of stories) {
    it(`${story.alert} fires when it should, not before, and says it of its node`, async () => {
      await inFolder(async (folder) => {
        const file = join(folder, 'test.json');
        await writeFile(file, JSON.stringify(testOf(story)));
        const { exitCode, stdout, stderr } = await execa(promtool, ['test', 'rules', file], { reject: false });
        assert.equal(exitCode, 0, stdout + stderr);
      });
    });
  }
});

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-alerts-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What `promtool test rules` reads: YAML, so JSON does. */
function testOf({ alert, series, silent, fires, labels, summary }: Story): object {
  const rule = alertRules.find((each) => each.alert === alert)!;
  const { run, runbook_url } = rule.annotations;
  const expected = {
    exp_labels: { ...rule.labels, node: 'n1', ...labels },
    exp_annotations: { summary, run: run.replaceAll('{{ $labels.node }}', 'n1'), runbook_url },
  };
  const at = (minute: number, exp_alerts: readonly object[]) => ({
    eval_time: `${minute}m`,
    alertname: alert,
    exp_alerts,
  });
  return {
    rule_files: [alertFile],
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: [...silent.map((minute) => at(minute, [])), at(fires, [expected])],
      },
    ],
  };
}
