import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'mocha';
import { BrokenNft } from '../../e2e/faults/broken-nft.ts';
import type { ResourceName } from '../../src/lab/api/resources.ts';
import { Lab } from '../../src/lab/lab.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { needMachine } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { block, policy } from '../kernel/policies.ts';
import { pod } from '../lab/objects.ts';
import { requirePrometheus } from '../support/prometheus.ts';
import { alertRules, alertText } from './alert-rules.ts';
import { PrometheusProcess, type FiringAlert } from './prometheus-process.ts';
import { nameLab } from '../support/lab-name.ts';

const refusedAddress = '10.66.6.6';
/** How long the API server may say nothing, in seconds, in place of minutes. */
const staleAfter = 5;

/** The rules, but that nothing waits; test/monitoring/promtool.test.ts is about the waiting. */
const impatient = alertText.replaceAll(/^( +for:) .*$/gm, '$1 1ms').replace('> 300', `> ${staleAfter}`);

/** One of each watched resource. A change of its annotations is news, and changes no rule. */
const touched: readonly (readonly [ResourceName, { readonly namespace?: string; readonly name: string }])[] = [
  ['pods', { namespace: 'x', name: 'p' }],
  ['namespaces', { name: 'x' }],
  ['nodes', { name: 'n1' }],
  ['networkpolicies', { namespace: 'x', name: 'usual' }],
  ['clusternetworkpolicies', { name: 'usual' }],
];
/** Without rules, so it decides nothing. */
const clusterPolicy = {
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name: 'usual' },
  spec: { tier: 'Baseline', priority: 1, subject: { namespaces: {} } },
};

describe('the alerts, in a real Prometheus (kernel)', function () {
  this.timeout(120_000);
  let lab: Lab;
  let nft: BrokenNft;
  let pages: Server;
  let prometheus: PrometheusProcess;
  let news: NodeJS.Timeout;
  /** Of a node n2, for what is dear to make on n1. */
  const fed = createMetrics('test');
  const fired = new Set<string>();

  before(async function () {
    await needMachine(this, 'bridge');
    const { prometheus: program } = await requirePrometheus(this);
    nft = await BrokenNft.create();
    const objects = [
      pod('x', 'p', ['TCP/80'], { nodeName: 'n1' }),
      policy('x', 'usual', { ingress: [] }),
      clusterPolicy,
    ];
    lab = await Lab.up({ name: nameLab('kalerts'), nodes: 1, cni: 'bridge', objects, agents: { env: nft.env } });
    await lab.settle();
    news = setInterval(touchAll, 500);
    pages = createServer((request, response) => {
      const text = request.url === '/n1' ? lab.agents.get('n1')!.metrics() : fed.registry.metrics();
      void text.then((body) =>
        response.writeHead(body === undefined ? 502 : 200, { 'content-type': 'text/plain' }).end(body),
      );
    });
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const target = `127.0.0.1:${(pages.address() as AddressInfo).port}`;
    prometheus = await PrometheusProcess.start(program, impatient, target, ['n1', 'n2']);
  });
  after(async () => {
    clearInterval(news);
    await prometheus?.stop();
    pages?.close();
    pages?.closeAllConnections();
    await lab?.down();
    await nft?.remove();
  });

  /** So that the API server has something to say. */
  function touchAll(): void {
    for (const [resource, key] of touched) {
      const object = structuredClone(lab.store.get(resource, key));
      object.metadata.annotations = { touched: String(performance.now()) };
      lab.store.update(resource, object);
    }
  }

  async function fires(alert: string, labels: Readonly<Record<string, string>>): Promise<void> {
    let found: FiringAlert | undefined;
    await eventually(async () => {
      const all = await prometheus.alerts();
      found = all.find(
        (each) =>
          each.state === 'firing' &&
          Object.entries({ alertname: alert, ...labels }).every(([name, value]) => each.labels[name] === value),
      );
      return found ? undefined : `${alert} does not fire, but ${JSON.stringify(all.map((each) => each.labels))}`;
    }, 90);
    assert.ok(found!.annotations['summary']!.includes(`ode ${labels['node']}`), found!.annotations['summary']);
    assert.equal(found!.annotations['summary']!.includes('<no value>'), false);
    fired.add(alert);
  }

  async function ends(alert: string): Promise<void> {
    await eventually(async () => {
      const still = await prometheus.alerts(alert);
      return still.length === 0 ? undefined : JSON.stringify(still);
    }, 90);
  }

  /** As many scrapes as the slowest rule needs to be judged on. */
  async function isWatched(): Promise<void> {
    await eventually(async () => {
      const counts = await prometheus.values('count_over_time(up[1m])');
      return counts.length === 2 && counts.every((count) => count >= 4) ? undefined : `scraped: ${counts.join(', ')}`;
    });
  }

  it('are silent while all is well', async () => {
    await isWatched();
    await eventually(async () => {
      const isFine = (await prometheus.values('min(postern_check_ok{node="n1"})'))[0] === 1;
      const alerts = await prometheus.alerts();
      return isFine && alerts.length === 0 ? undefined : JSON.stringify(alerts);
    });
  });

  it('fire where nft fails, and one that is about the delay when it does not any more', async () => {
    await nft.become('fail');
    const since = performance.now();
    lab.apply([policy('x', 'more', { egress: [] })]);
    await fires('PosternApplyErrors', { node: 'n1', code: 'failed' });
    await fires('PosternNotEnforcing', { node: 'n1', check: 'rules' });
    assert.deepEqual(await prometheus.alerts('PosternSlow'), []);
    // The fault itself: the change waits for longer than a second.
    await eventually(async () => (performance.now() - since > 1500 ? undefined : 'too soon'));
    await nft.become('ok');
    await fires('PosternSlow', { node: 'n1' });
    await ends('PosternNotEnforcing');
  });

  it('fire where the kernel refuses a policy', async () => {
    await nft.become('refuse', refusedAddress);
    const refused = policy('x', 'refused', { ingress: [{ from: [block(`${refusedAddress}/32`)] }] });
    lab.apply([refused]);
    await fires('PosternPolicyRefused', { node: 'n1' });
    lab.store.delete('networkpolicies', { namespace: 'x', name: 'refused' });
    await nft.become('ok');
    await ends('PosternPolicyRefused');
  });

  it('fire where another program flushes a table of ours', async () => {
    await lab.exec('node/n1', 'nft', 'flush', 'table', 'ip', 'postern');
    await fires('PosternDrift', { node: 'n1' });
  });

  it('fire where the API server says nothing any more, though it is there', async () => {
    await ends('PosternApiStale');
    lab.agents.get('n1')!.stall();
    await fires('PosternApiStale', { node: 'n1' });
    lab.agents.get('n1')!.unstall();
    await ends('PosternApiStale');
  });

  it('fire on what an agent says of its pods', async () => {
    fed.snapshot.unprogrammed(() => 2);
    fed.issues.issues(() => [
      { code: 'not-guarded', effect: 'not-enforced', count: 3 },
      { code: 'not-enforceable', effect: 'not-enforced', count: 1 },
      { code: 'invalid-port', effect: 'ignored', count: 1 },
    ]);
    await fires('PosternPodsUnprogrammed', { node: 'n2' });
    await fires('PosternPodsUnguarded', { node: 'n2' });
    await fires('PosternNotEnforced', { node: 'n2', code: 'not-enforceable' });
    assert.equal((await prometheus.alerts('PosternNotEnforced')).length, 1);
    fed.apply.comparedTables(() => ({ ip: 0, ip6: 1300 }));
    await fires('PosternNotCompared', { node: 'n2' });
    fed.podNetworks.drift();
    await fires('PosternPodNetworkDrift', { node: 'n2' });
  });

  it('fire where an agent ends', async () => {
    await lab.agents.get('n1')!.stop();
    await fires('PosternAgentDown', { node: 'n1' });
  });

  it('have all been seen', () => {
    assert.deepEqual([...fired].sort(), alertRules.map(({ alert }) => alert).sort());
  });
});
