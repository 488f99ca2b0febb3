import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { objectKey } from '../../src/lab/pod-spec.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { nameLab } from '../support/lab-name.ts';
import { buildCniProgram } from '../support/cni-program.ts';
import { needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { FirstConnections } from './first-connections.ts';
import { isRunning } from './is-running.ts';

for (const cni of labCnis) {
  describe(`the CNI plugin (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let starts: FirstConnections;
    let program: string;
    before(async function () {
      await needMachine(this, cni);
      program = await buildCniProgram(this);
      const cniPlugin = { program, failurePolicy: 'Fail', timeoutSeconds: 20 } as const;
      starts = await FirstConnections.open({ name: nameLab(`cni${cni}`), cni, cniPlugin });
    });
    after(() => starts?.close());

    it('holds ADD until the rules are there: the first connection of a pod needs no second SYN', async () => {
      for (const { key, retransmittedSyns } of await starts.start(5)) assert.equal(retransmittedSyns, 0, key);
    });

    it('holds ADD also while the agent stands still', async () => {
      const { pid } = starts.lab.agents.get('n1')!;
      process.kill(pid!, 'SIGSTOP');
      const started = starts.start(1).catch((error: unknown) => error);
      try {
        await eventually(async () => ((await isRunning(program)) ? undefined : 'the plugin does not run'));
      } finally {
        process.kill(pid!, 'SIGCONT');
      }
      const [first] = (await started) as Awaited<ReturnType<typeof starts.start>>;
      assert.equal(first!.retransmittedSyns, 0);
    });

    it('fails without an agent, so that the kubelet tries again, and DEL does not', async () => {
      const { lab } = starts;
      const agent = lab.agents.get('n1')!;
      await agent.stop('SIGKILL');
      const [key] = starts.create(1);
      const { namespace, name } = objectKey(key!);
      const statusOf = () => lab.store.get('pods', { namespace, name })['status'] as { message?: string };
      await eventually(async () => {
        const { message = 'no message' } = statusOf() ?? {};
        return /postern-cni ADD: .*no agent listens on the socket/.test(message) ? undefined : message;
      });
      await agent.start();
      const [first] = await starts.finish([key!]);
      assert.equal(first!.retransmittedSyns, 0);
    });

    it('CHECK succeeds only while the kernel holds the rules', async () => {
      const { lab } = starts;
      const [key] = starts.create(1);
      await starts.connected([key!]);
      const network = lab.network('n1');
      const attachment = lab.attachment(key!);
      await network.check(attachment);
      const nft = (command: string) => runInNamespace(lab.names.node('n1'), 'nft', [command]);
      await nft('flush chain ip postern deny-egress');
      // The agent also restores the chain by itself, perhaps before this CHECK reads it.
      await network.check(attachment).catch((error: Error) => {
        assert.match(error.message, /postern-cni CHECK: .*another program has changed table ip postern/);
        return network.check(attachment);
      });
      assert.match(await nft('list chain ip postern deny-egress'), /drop/);
      await starts.finish([key!]);
    });
  });

  /** The same eyes see a second SYN where nothing holds the pod. */
  describe(`without the CNI plugin (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let starts: FirstConnections;
    before(async function () {
      await needMachine(this, cni);
      starts = await FirstConnections.open({ name: nameLab(`nocni${cni}`), cni });
    });
    after(() => starts?.close());

    it('a pod that starts while the agent stands still sends its first SYN again', async () => {
      const { pid } = starts.lab.agents.get('n1')!;
      process.kill(pid!, 'SIGSTOP');
      const [key] = starts.create(1);
      try {
        await eventually(async () => ((await starts.hasSentAgain(key!)) ? undefined : 'no SYN was sent again'));
      } finally {
        process.kill(pid!, 'SIGCONT');
      }
      const [first] = await starts.finish([key!]);
      assert.ok(first!.retransmittedSyns > 0);
    });
  });
}
