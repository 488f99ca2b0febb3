import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { readMetric } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { NftShim } from './nft-shim.ts';
import { block, policy } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const poison = '10.66.6.6';
/** Of pods on both nodes. */
const broken = (other: string) =>
  policy('peers', 'broken', { ingress: [{ from: [block(`${poison}/32`), block(other)] }] });

describe('Events for the owner of an object (S9.11) (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let shim: NftShim;
  before(async function () {
    await needMachine(this, 'bridge');
    shim = await NftShim.create();
    cluster = await Cluster.up({ name: nameLab('kevents'), agents: { env: shim.env } });
  });
  after(async () => {
    await cluster?.lab.down();
    await shim?.remove();
  });

  const events = (): readonly ApiObject[] => cluster.lab.store.list('events').items;
  const finished = async (node: string): Promise<number> => {
    const of = (result: string) => readMetric(cluster.lab, node, `postern_object_events_total{result="${result}"}`);
    return ((await of('written')) ?? 0) + ((await of('known')) ?? 0);
  };
  /** Both agents have told what they had to tell. */
  const told = (count: number): Promise<void> =>
    eventually(async () => {
      const counts = [await finished('n1'), await finished('n2')];
      return counts.every((each) => each === count) ? undefined : `told ${counts.join(' and ')} of ${count}`;
    });

  it('is written once by two nodes, and again for another generation', async () => {
    await shim.refuse(poison);
    await cluster.apply(broken('10.77.0.0/16'));
    await told(1);
    assert.equal(events().length, 1);
    const { involvedObject, reason, type, message } = events()[0] as unknown as Record<string, unknown>;
    assert.partialDeepStrictEqual(involvedObject, { kind: 'NetworkPolicy', namespace: 'peers', name: 'broken' });
    assert.deepEqual([reason, type], ['RefusedByKernel', 'Warning']);
    assert.match(String(message), /^spec: the kernel refuses this policy.*failed closed/);

    // The same object anew: an agent that starts finds its Event there.
    const agent = cluster.lab.agents.get('n1')!;
    await agent.restart({ env: shim.env });
    await eventually(async () => ((await finished('n1')) === 1 ? undefined : 'not told again'));
    assert.equal(events().length, 1);

    await cluster.apply(broken('10.88.0.0/16'));
    await told(2);
    assert.equal(events().length, 2);
  });

  it('about a pod comes from its own node', async () => {
    const before = events().length;
    const [counts1, counts2] = [await finished('n1'), await finished('n2')];
    const node = cluster.lab.store.get('nodes', { name: 'n2' });
    const [{ address }] = (node.status as { addresses: [{ address: string }] }).addresses;
    const pod = structuredClone(cluster.lab.store.get('pods', { namespace: 'spare', name: 'idle' }));
    pod.status = { ...(pod.status as object), podIP: address, podIPs: [{ ip: address }] };
    cluster.lab.store.updateStatus('pods', pod);
    await eventually(async () => (events().length > before ? undefined : 'no Event'));
    await cluster.lab.settle();
    // The agent counts it once the API server has answered.
    await eventually(async () => ((await finished('n2')) === counts2 + 1 ? undefined : 'n2 has not counted it'));
    assert.equal(await finished('n1'), counts1);
    const event = events().at(-1) as unknown as { involvedObject: object; reason: string };
    assert.partialDeepStrictEqual(event.involvedObject, { apiVersion: 'v1', kind: 'Pod', name: 'idle' });
    assert.equal(event.reason, 'NodeAddress');
  });
});
