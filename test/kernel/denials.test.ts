import assert from 'node:assert/strict';
import { after, afterEach, before as beforeAll, beforeEach, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { readMetric } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { clusterPolicy, pods, policy, port } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

interface Told {
  readonly msg: string;
  readonly node: string;
  readonly direction: string;
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port?: number;
  readonly deniedBy?: object;
  readonly policies: readonly string[];
  readonly reason: string;
  readonly nearMisses: readonly { readonly policy: string; readonly path: string; readonly reason: string }[];
}

const near = pods({ pod: 'near' }, { team: 'peers' });

describe('what an agent tells of denials (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  beforeAll(async function () {
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({
      name: nameLab('kdenials'),
      cni: 'bridge',
      agents: {},
    });
  });
  afterEach(() => cluster?.reset());
  after(() => cluster?.lab.down());

  const before: Record<string, number> = {};
  const linesOf = async (node: string): Promise<string[]> =>
    (await cluster.lab.agents.get(node)!.log()).trimEnd().split('\n');
  beforeEach(async () => {
    for (const node of ['n1', 'n2']) before[node] = (await linesOf(node)).length;
  });
  /** Since the test began. */
  const told = async (node = 'n1'): Promise<Told[]> => {
    const lines = (await linesOf(node)).slice(before[node]);
    return lines.map((line) => JSON.parse(line) as Told).filter(({ msg }) => msg === 'denied');
  };
  const found = (isIt: (line: Told) => boolean, node?: string): Promise<Told> => {
    let line: Told | undefined;
    return eventually(async () => {
      line = (await told(node)).find(isIt);
      return line ? undefined : 'not told';
    }).then(() => line!);
  };
  const deny = (from: string, to: string, of: string) =>
    cluster.expect([{ from, to, port: of, family: 'ipv4', answer: 'timeout' }]);
  const connectionEvents = (): readonly ApiObject[] =>
    cluster.lab.store
      .list('events')
      .items.filter((event) => (event as unknown as { reason: string }).reason === 'ConnectionDenied');

  it('names both ends, the policies, and what would have allowed it', async () => {
    await cluster.apply(
      policy('x', 'all', { ingress: [], egress: [] }),
      policy('x', 'web', { ingress: [{ from: [near], ports: [port('TCP/80')] }] }),
    );
    await deny('peers/far', 'x/p', 'TCP/80');
    await deny('x/p', 'host/outside', 'UDP/53');
    const ingress = await found(({ direction, protocol }) => direction === 'ingress' && protocol === 'TCP');
    assert.partialDeepStrictEqual(ingress, {
      node: 'n1',
      from: 'peers/far',
      to: 'x/p',
      port: 80,
      policies: ['x/all', 'x/web'],
      nearMisses: [{ policy: 'x/web', path: 'spec.ingress[0].from[0].podSelector.matchLabels.pod' }],
    });
    const egress = await found(({ direction }) => direction === 'egress');
    const outside = cluster.address('host/outside', 'ipv4');
    assert.partialDeepStrictEqual(egress, { from: 'x/p', to: outside, protocol: 'UDP', port: 53, policies: ['x/all'] });
    assert.equal(egress.reason, 'x/p is isolated for egress by x/all, and there is no egress rule');
    await eventually(async () => (connectionEvents().length > 1 ? undefined : 'no Events'));
    const events = connectionEvents() as unknown as { involvedObject: object; message: string }[];
    for (const { involvedObject } of events)
      assert.partialDeepStrictEqual(involvedObject, { kind: 'Pod', namespace: 'x', name: 'p' });
    const messages = events.map(({ message }) => message);
    // S9.14: users of namespace x read the address of a pod of another namespace, and no more of it.
    const far = cluster.address('peers/far', 'ipv4');
    assert.ok(
      messages.some((text) => text.startsWith(`ingress denied: ${far} → x/p, TCP/80. rule 1 of policy x/web would`)),
      messages.join('\n'),
    );
    assert.doesNotMatch(messages.join('\n'), /peers\/|label|"near"/);
    assert.equal(
      await readMetric(
        cluster.lab,
        'n1',
        'postern_policy_denied_connections_total{tier="NetworkPolicy",namespace="x",policy="web"}',
      ),
      1,
    );
  });

  it('names tier, policy and rule where a ClusterNetworkPolicy denied, and NetworkPolicies where it passed on', async () => {
    const outside = cluster.address('host/outside', 'ipv4');
    const namespaces = (name: string): object => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
    const ofCluster = (name: string, namespace: string, spec: object): ApiObject =>
      clusterPolicy(name, { subject: { namespaces: namespaces(namespace) }, ...spec });
    const all = [{ namespaces: {} }];
    await cluster.apply(
      ofCluster('guard', 'x', {
        tier: 'Admin',
        ingress: [
          { name: 'no-strangers', action: 'Deny', from: [{ namespaces: namespaces('others') }] },
          { action: 'Pass', from: all },
        ],
        egress: [{ action: 'Deny', to: [{ networks: [`${outside}/32`] }] }],
      }),
      ofCluster('base', 'peers', { tier: 'Baseline', ingress: [{ action: 'Deny', from: all }] }),
      policy('x', 'web', { ingress: [{ from: [near], ports: [port('TCP/8080')] }] }),
    );
    await cluster.expect([
      { from: 'peers/near', to: 'x/p', port: 'TCP/8080', family: 'ipv4', answer: 'x/p' },
      { from: 'others/stranger', to: 'x/p', port: 'TCP/8080', family: 'ipv4', answer: 'timeout' },
      { from: 'x/p', to: 'host/outside', port: 'TCP/80', family: 'ipv4', answer: 'timeout' },
      { from: 'peers/far', to: 'x/p', port: 'TCP/5000', family: 'ipv4', answer: 'timeout' },
      { from: 'x/p', to: 'peers/third', port: 'TCP/8080', family: 'ipv4', answer: 'timeout' },
    ]);
    const guard = { policy: 'ClusterNetworkPolicy guard', priority: 10, rule: 0 };
    assert.partialDeepStrictEqual(await found(({ from }) => from === 'others/stranger'), {
      direction: 'ingress',
      deniedBy: { tier: 'Admin', ...guard, name: 'no-strangers', path: 'spec.ingress[0]' },
      policies: ['ClusterNetworkPolicy guard'],
      reason: 'rule 1 "no-strangers" of ClusterNetworkPolicy guard (Admin tier, priority 10) denies this',
      nearMisses: [],
    });
    const egress = await found(({ direction, to }) => direction === 'egress' && to === outside);
    assert.deepEqual(egress.deniedBy, { tier: 'Admin', ...guard, path: 'spec.egress[0]' });
    const passed = await found(({ from }) => from === 'peers/far');
    assert.deepEqual([passed.deniedBy, passed.policies], [{ tier: 'NetworkPolicy' }, ['x/web']]);
    assert.match(
      passed.reason,
      /, after rule 2 of ClusterNetworkPolicy guard \(Admin tier, priority 10\) passed it on$/,
    );
    const baseline = await found(({ to }) => to === 'peers/third', 'n2');
    assert.partialDeepStrictEqual(baseline, {
      ...{ direction: 'ingress', from: 'x/p' },
      deniedBy: { tier: 'Baseline', policy: 'ClusterNetworkPolicy base', rule: 0, path: 'spec.ingress[0]' },
    });
    const series = 'postern_policy_denied_connections_total{tier="Admin",namespace="",policy="guard"}';
    assert.equal(await readMetric(cluster.lab, 'n1', series), 2);
    const baselineText =
      /peers\/third, TCP\/8080\. a ClusterNetworkPolicy of the Baseline tier denies this, and a NetworkP/;
    await eventually(async () => (baselineText.test(JSON.stringify(connectionEvents())) ? undefined : 'no Event'));
    assert.doesNotMatch(JSON.stringify(connectionEvents()), /guard|no-strangers|Policy base/);
  });

  it('names the policies also while the API server does not answer', async () => {
    await cluster.apply(policy('peers', 'lonely', { pods: { pod: 'third' }, ingress: [] }));
    const agent = cluster.lab.agents.get('n2')!;
    await agent.disconnect();
    try {
      await deny('peers/near', 'peers/third', 'TCP/80');
      const { policies, reason } = await found(({ to }) => to === 'peers/third', 'n2');
      assert.deepEqual(policies, ['peers/lonely']);
      assert.equal(reason, 'peers/third was isolated for ingress by peers/lonely, and no rule allows this');
    } finally {
      agent.reconnect();
    }
  });
});
