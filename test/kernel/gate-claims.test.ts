import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readMetric, readPage } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { nameLab } from '../support/lab-name.ts';

/** In the range of n1, and no pod's. */
const claimed = '10.244.1.200';
const nobody = '10.244.1.201';

describe('a forged status in the range of another node, where no cache of results confirms the range (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  before(async function () {
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({ name: nameLab('kclaims'), agents: { args: ['--cni-cache-dir', 'none'] } });
  });
  after(() => cluster?.lab.down());

  const gateNote = async (): Promise<string> => {
    const { body } = await readPage(cluster.lab, 'n1', '/readyz?verbose');
    return /^\[\+\] gate: (.*)$/m.exec(body)?.[1] ?? body;
  };
  const dropped = async (): Promise<number> => {
    const stdout = await cluster.lab.exec('node/n1', 'nft', 'list', 'chain', 'ip', 'postern', 'gate');
    return Number(/packets (\d+)/.exec(stdout)?.[1]);
  };
  /** Whether what a pod of n2 sends there ends at the gate of n1. */
  const isGated = async (address: string): Promise<boolean> => {
    const before = await dropped();
    await cluster.expect([{ from: 'peers/far', to: address, port: 'UDP/53', family: 'ipv4', answer: 'timeout' }]).catch(
      // Behind the gate nobody has the address: the node says so.
      (error: unknown) => assert.match(String(error), /EHOSTUNREACH/),
    );
    return (await dropped()) > before;
  };

  it('opens the gate of that node to the one address, and to no other, and is reported', async () => {
    assert.equal(await gateNote(), '10.244.1.0/24, fd00:10:244:1::/64');
    assert.equal(await isGated(claimed), true);
    const pod = structuredClone(cluster.lab.store.get('pods', { namespace: 'spare', name: 'idle' }));
    pod.status = { ...(pod.status as object), podIP: claimed, podIPs: [{ ip: claimed }] };
    cluster.lab.store.updateStatus('pods', pod);
    const note = '10.244.1.0/24, fd00:10:244:1::/64; pods of n2 claim addresses there, which pass the gate';
    await eventually(async () => ((await gateNote()) === note ? undefined : await gateNote()));
    assert.equal(await readMetric(cluster.lab, 'n1', 'postern_gate_claimed_addresses'), 1);
    assert.deepEqual([await isGated(claimed), await isGated(nobody)], [false, true]);
  });
});
