import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { Cluster, needMachine } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { pods, policy, port } from '../kernel/policies.ts';
import { nameLab } from '../support/lab-name.ts';

/** How many pods come and go; with the variable, what the agent holds is printed. */
const asked = process.env['SHORT_PODS'];
const wanted = Number(asked ?? 2000);
const wave = 50;
/** As many as it takes until what is kept for good is there. */
const warmUp = wanted / 4;

describe('an agent while jobs come and go (replay of AWS agent #416, affbfc6) (kernel)', function () {
  this.timeout(240_000 + wanted * 50);
  let cluster: Cluster;
  before(async function () {
    await needMachine(this, 'bridge');
    // As in the image, V8 collects early; a megabyte is what that leaves to the young.
    const env = { NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=96' };
    cluster = await Cluster.up({ name: nameLab('kjobs'), cni: 'bridge', agents: { env } });
  });
  after(() => cluster?.lab.down());

  it(`holds as much after ${wanted} short pods as before, within a tenth`, async () => {
    const { lab } = cluster;
    const jobs = pods({ app: 'job' }, {});
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'jobs' } };
    await cluster.apply(namespace, policy('x', 'from-jobs', { ingress: [{ from: [jobs], ports: [port('TCP/80')] }] }));
    let first = 0;
    const run = async (count: number): Promise<void> => {
      for (const end = first + count; first < end; first += wave) {
        const all = Array.from({ length: wave }, (_, index) => start(cluster, first + index));
        await lab.settle();
        for (const { metadata } of all) {
          const key = { namespace: 'jobs', name: metadata.name! };
          // It terminates, and as no kubelet says that it has ended, this does.
          lab.store.delete('pods', key);
          lab.store.delete('pods', key, { gracePeriodSeconds: 0 });
        }
        await lab.settle();
      }
    };
    await run(warmUp);
    const held = await residentOf(cluster);
    await run(wanted - warmUp);
    // The pods were members of the group of the policy, and none has stayed in it. Sets that are out of use go after the change is in force.
    await eventually(async () => {
      const text = await lab.exec('node/n1', 'nft', 'list', 'table', 'ip', 'postern');
      return /10\.99\./.test(text) ? text : undefined;
    });
    assert.equal(lab.store.list('pods', { namespace: 'jobs' }).items.length, 0);
    let last = 0;
    await eventually(async () => {
      last = await residentOf(cluster);
      return last <= held * 1.1 ? undefined : `${last} kB, after ${held} kB`;
    }, 120);
    if (asked !== undefined)
      process.stdout.write(`${wanted} pods: ${held} kB after ${warmUp}, ${last} kB at the end\n`);
  });
});

/** A pod of a node that is none of the lab's: the agent hears of it, and nobody runs it. */
function start({ lab }: Cluster, number: number): ApiObject {
  const created = lab.store.create('pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'jobs', name: `job-${number}`, labels: { app: 'job', number: String(number) } },
    spec: { nodeName: 'elsewhere', containers: [{ name: 'main', image: 'main' }] },
  });
  const slot = number % 1000;
  const podIPs = [{ ip: `10.99.${slot >> 8}.${slot & 255}` }, { ip: `fd00:99::${slot.toString(16)}` }];
  return lab.store.updateStatus('pods', { ...created, status: { phase: 'Running', podIP: podIPs[0]!.ip, podIPs } });
}

/** Kilobytes of the agent of n1. */
async function residentOf({ lab }: Cluster): Promise<number> {
  const status = await readFile(`/proc/${lab.agents.get('n1')!.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)![1]);
}
