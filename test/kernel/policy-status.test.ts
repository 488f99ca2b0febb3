import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { ApiObject, JsonObject } from '../../src/lab/api/object.ts';
import { Lab } from '../../src/lab/lab.ts';
import { nameLab } from '../support/lab-name.ts';
import { settleMs } from '../support/time-factor.ts';
import { needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';

const collection = 'clusternetworkpolicies';
const clusterPolicy = (name: string, action: string, priority: number): ApiObject => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name },
  spec: {
    tier: 'Admin',
    priority,
    subject: { namespaces: {} },
    egress: [{ action, to: [{ networks: ['192.0.2.0/24'] }] }],
  },
});

describe('the status of ClusterNetworkPolicies (kernel)', function () {
  this.timeout(180_000);
  let lab: Lab;
  before(async function () {
    await needMachine(this, 'ptp');
    lab = await Lab.up({ name: nameLab('kstatus'), cni: 'ptp', nodes: 2, settleMs });
    await lab.settle();
  });
  after(() => lab?.down());

  const statusOf = (name: string): readonly Record<string, unknown>[] => {
    const { status } = lab.store.get(collection, { name }) as { status?: JsonObject };
    return (status?.['conditions'] ?? []) as never;
  };
  const programmed = (name: string, wanted: string): Promise<void> =>
    eventually(async () => {
      const found = statusOf(name).find(({ type }) => type === 'Programmed');
      const text =
        found && `${String(found['observedGeneration'])} ${String(found['status'])} ${String(found['message'])}`;
      return text === wanted ? undefined : `the status says ${text}`;
    }, 150);
  const elected = (): string => {
    const lease = lab.store.get('leases', { namespace: 'kube-system', name: 'postern-status' });
    return (lease['spec'] as { holderIdentity: string }).holderIdentity;
  };

  it('says that all nodes hold it, which of them lags, and when that is over (S10.28)', async () => {
    lab.apply([clusterPolicy('guard', 'Deny', 1)]);
    await programmed('guard', '1 True Programmed on all 2 nodes');
    const other = ['n1', 'n2'].find((node) => node !== elected())!;
    const { pid } = lab.agents.get(other)!;
    process.kill(pid!, 'SIGSTOP');
    try {
      lab.store.patch(collection, { name: 'guard' }, { type: 'merge', body: { spec: { priority: 2 } } });
      await programmed('guard', `2 False Programmed on 1 of 2 nodes; lags: ${other}`);
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    await programmed('guard', '2 True Programmed on all 2 nodes');
  });

  it('is not written again when agents restart (S10.30)', async () => {
    const { resourceVersion } = lab.store.get(collection, { name: 'guard' }).metadata;
    const before = lab.store.list('leases').items.filter(({ metadata }) => metadata.name!.startsWith('node.'));
    const leader = elected();
    await Promise.all([...lab.agents.values()].map((agent) => agent.restart()));
    await lab.settle();
    // It goes on: a second policy gets its status, by the agent that was elected before.
    lab.apply([clusterPolicy('second', 'Deny', 3)]);
    await programmed('second', '1 True Programmed on all 2 nodes');
    assert.equal(elected(), leader);
    assert.equal(lab.store.get(collection, { name: 'guard' }).metadata.resourceVersion, resourceVersion);
    assert.equal(before.length, 2);
  });

  it('comes with an Event on both of two policies whose order is open (S10.32)', async () => {
    lab.apply([clusterPolicy('third', 'Accept', 3)]);
    await eventually(async () => {
      const events = lab.store.list('events').items as unknown as {
        reason: string;
        involvedObject: { name: string };
      }[];
      const names = events.filter(({ reason }) => reason === 'EqualPriority').map((each) => each.involvedObject.name);
      return names.toSorted().join() === 'second,third' ? undefined : `Events on ${names.join()}`;
    });
  });
});
