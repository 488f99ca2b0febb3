import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Flow } from '../../src/lab/flow.ts';
import { nameLab } from '../support/lab-name.ts';
import { readPage } from './agent-pages.ts';
import { ApiGate } from './api-gate.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { clusterPolicy, policy } from './policies.ts';

/** An agent asks every half to one minute whether the API server serves the resource. */
const patience = 180;
const denying = (port: number): ApiObject =>
  clusterPolicy('no-udp', {
    subject: { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } } },
    ingress: [
      {
        action: 'Deny',
        from: [{ namespaces: {} }],
        protocols: [{ udp: { destinationPort: { number: port } } }],
      },
    ],
  });

describe('an agent while the API server serves ClusterNetworkPolicies, and while it does not (kernel, S10.24)', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let gate: ApiGate;
  const flows: Flow[] = [];
  before(async function () {
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({ name: nameLab('kserved'), agents: false });
    gate = await ApiGate.create(cluster.lab, 'n1');
  });
  afterEach(async () => {
    await Promise.all(flows.splice(0).map((flow) => flow.close()));
  });
  after(async () => {
    gate?.close();
    await cluster?.lab.down();
  });

  /** A commit may fall between the two families, so callers wait for one answer of both. */
  const answersOf = async (port: number): Promise<string> => {
    const answers = families.map((family) =>
      cluster.ask({ from: 'peers/near', to: 'x/p', port: `UDP/${port}`, family }),
    );
    return (await Promise.all(answers)).join();
  };
  const expectDenied = (port: number): Promise<void> =>
    cluster.expect([{ from: 'peers/near', to: 'x/p', port: `UDP/${port}`, answer: 'timeout' }]);
  const openDenied = async (port: number): Promise<void> => {
    for (const family of families) {
      flows.push(await cluster.lab.openFlow('peers/near', 'x/p', { protocol: 'UDP', port, family, rate: 200 }));
    }
  };
  const received = async (): Promise<number[]> =>
    Promise.all(flows.map(async (flow) => (await flow.state()).server.received));

  it('enforces NetworkPolicies where nobody has installed the resource', async () => {
    gate.serveClusterPolicies(undefined);
    cluster.lab.apply([denying(5000), policy('x', 'p', { ingress: [{ from: [{ namespaceSelector: {} }] }] })]);
    await cluster.lab.agents.get('n1')!.start({ args: ['--kubeconfig', gate.kubeconfig] });
    await eventually(async () => {
      const { status, body } = await readPage(cluster.lab, 'n1', '/readyz');
      return status === 200 ? undefined : body;
    });
    await cluster.expect([
      { from: 'peers/near', to: 'x/p', port: 'UDP/5000', answer: 'x/p' },
      { from: 'host/outside', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
    ]);
  });

  it('enforces ClusterNetworkPolicies when it is installed', async () => {
    gate.serveClusterPolicies('v1alpha2');
    await eventually(
      async () => ((await answersOf(5000)) === 'timeout,timeout' ? undefined : 'UDP/5000 is allowed'),
      patience,
    );
  });

  it('never opens while the version changes, and follows the new one', async () => {
    await openDenied(5000);
    gate.serveClusterPolicies('v1beta1');
    const same = denying(5000);
    same.metadata.annotations = { seen: 'by the new version' };
    await cluster.apply(same);
    assert.deepEqual(await received(), [0, 0]);
    await cluster.apply(denying(6000));
    await eventually(
      async () => ((await answersOf(6000)) === 'timeout,timeout' ? undefined : 'UDP/6000 is allowed'),
      patience,
    );
    await eventually(async () => ((await answersOf(5000)) === 'x/p,x/p' ? undefined : 'UDP/5000 is denied'));
    // The flows have sent all the time.
    await eventually(async () => ((await received()).every((count) => count > 0) ? undefined : 'no flow arrives'));
  });

  it('keeps them when the resource is gone, until the API server has said so for a while (S7.18)', async () => {
    await openDenied(6000);
    gate.serveClusterPolicies(undefined);
    await eventually(async () => {
      const log = await cluster.lab.agents.get('n1')!.log();
      return log.includes('lists no clusternetworkpolicies, but there were 1') ? undefined : log.slice(-1000);
    }, patience);
    assert.deepEqual(await received(), [0, 0]);
    await expectDenied(6000);
    await eventually(async () => ((await answersOf(6000)) === 'x/p,x/p' ? undefined : 'UDP/6000 is denied'), patience);
    await eventually(async () => ((await received()).every((count) => count > 0) ? undefined : 'no flow arrives'));
    await cluster.expect([{ from: 'host/outside', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
  });
});
