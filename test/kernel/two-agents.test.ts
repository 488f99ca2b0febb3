import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readPage } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { NftShim } from './nft-shim.ts';
import { listTables } from './our-tables.ts';
import { policy } from './policies.ts';
import { SecondAgent } from './second-agent.ts';
import { nameLab } from '../support/lab-name.ts';

const deny = policy('x', 'deny', { ingress: [] });
const allow = policy('x', 'allow', { ingress: [{}] });

describe('two agents on one node (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let shim: NftShim;
  let second: SecondAgent | undefined;
  before(async function () {
    await needMachine(this, 'bridge');
    shim = await NftShim.create();
    cluster = await Cluster.up({ name: nameLab('ktwo'), agents: { env: shim.env } });
  });
  after(async () => {
    await second?.end('SIGKILL');
    await cluster?.lab.down();
    await shim?.remove();
  });

  const says = (path: string, wanted: RegExp): Promise<void> =>
    eventually(async () => {
      const { body } = await second!.read(path);
      return wanted.test(body) ? undefined : `${path} says: ${body}`;
    });

  it('the second only watches, says for whom it waits, and writes when the first has ended', async () => {
    const { lab } = cluster;
    const first = lab.agents.get('n1')!;
    await cluster.apply(deny);
    second = new SecondAgent(lab, 'n1', 'second');
    await says('/readyz', new RegExp(`\\[-\\] lock: agent \\S+, process ${first.pid}, holds the lock of this node`));
    // It knows the cluster by now, and yet is neither ready nor has it applied or compared anything.
    await says('/readyz?verbose', /\[\+\] lists\n\[\+\] node\n\[-\] rules/);
    assert.deepEqual(JSON.parse((await second.read('/applied')).body), { node: 'n1', comparedSecondsAgo: {} });
    assert.equal((await second.read('/healthz')).status, 200);

    await cluster.apply(allow);
    const asked = { from: 'peers/far', to: 'x/p', port: 'TCP/80' };
    await cluster.expect([{ ...asked, answer: 'x/p' }]);
    assert.equal((await readPage(lab, 'n1', '/readyz')).status, 200);

    // The agent deletes objects that are out of use after the change is in force. The second one must find nothing to delete.
    await listTables(lab);
    await first.stop('SIGKILL');
    await says('/readyz', /^ok$/m);
    await says('/metrics', /^postern_adoptions_total\{result="unchanged"\} 1$/m);
    await cluster.expect([{ ...asked, answer: 'x/p' }]);
    await cluster.remove(allow);
    // The lab waits for its own agents only.
    await eventually(() =>
      cluster.expect([{ ...asked, answer: 'timeout' }]).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    );

    // And the other way round: the first comes back, and waits.
    await first.start();
    await eventually(async () => {
      const { body } = await readPage(lab, 'n1', '/readyz');
      return body.includes('[-] lock: ') ? undefined : body;
    });
    await second.end();
    await lab.settle();
    await cluster.expect([{ ...asked, answer: 'timeout' }]);
  });

  it('one that is to uninstall waits for the other, deletes the tables, and stays ready', async () => {
    const { lab } = cluster;
    await cluster.apply(deny);
    second = new SecondAgent(lab, 'n1', 'uninstaller', ['--uninstall']);
    await says('/readyz', /\[-\] lock: agent/);
    await cluster.expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' }]);
    await assert.rejects(uninstallByHand(), /process \d+\) runs on this node and would write the rules again/);

    await lab.agents.get('n1')!.stop();
    await says('/readyz', /^ok$/m);
    assert.doesNotMatch(await lab.exec('node/n1', 'nft', 'list', 'tables'), / postern$/m);
    await cluster.expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'x/p' }]);
    await second.end();
  });

  const uninstallByHand = (): Promise<string> =>
    cluster.lab.exec('node/n1', process.execPath, new URL('../../src/main.ts', import.meta.url).pathname, 'uninstall');
});
