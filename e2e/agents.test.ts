import assert from 'node:assert/strict';
import { it } from 'mocha';
import { fieldAt } from '../src/lab/api/object.ts';
import { ApiError } from '../src/watch/api-error.ts';
import { eventually } from '../test/kernel/eventually.ts';
import { block, pods, policy, port } from '../test/kernel/policies.ts';
import { skipTest } from '../test/support/skip.ts';
import { onCluster } from './cluster/cluster.ts';
import { expectNothingLost, openFlows, untilMore } from './cluster/flows.ts';

const restarts = Number(process.env['E2E_RESTARTS'] ?? 3);
const upgrades = Number(process.env['E2E_UPGRADES'] ?? 4);

onCluster('agents', (cluster) => {
  it('are replaced under traffic: nothing forbidden passes, nothing allowed is lost (S7.13, S7.14)', async function () {
    const { restartAgents } = cluster().target;
    if (!restartAgents) return skipTest(this, 'no DaemonSet of Postern (E2E_DAEMONSET) is on this cluster');
    this.timeout(60_000 + restarts * 60_000);
    await expectUndisturbed(restarts, restartAgents);
  });

  it('are upgraded and rolled back under traffic: nothing forbidden passes, nothing allowed is lost', async function () {
    const { changeVersion } = cluster().target;
    if (!changeVersion) return skipTest(this, 'no image of another version (E2E_OTHER_IMAGE) is given');
    this.timeout(60_000 + upgrades * 60_000);
    await expectUndisturbed(upgrades, changeVersion);
  });

  async function expectUndisturbed(times: number, replaceAgents: () => Promise<void>): Promise<void> {
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [pods({}, { ns: 'y' })], ports: [port('UDP/80'), port('TCP/80')] }] }),
    );
    const allowed = await openFlows(cluster(), ['y/a', 'y/b'], 'x/a', 80);
    const forbidden = [
      ...(await openFlows(cluster(), ['z/a', 'z/b'], 'x/a', 80, ['UDP'])),
      ...(await openFlows(cluster(), ['y/a', 'y/b'], 'x/a', 81, ['UDP'])),
    ];
    await untilMore(allowed, 20);
    for (let count = 0; count < times; count++) {
      await replaceAgents();
      await cluster().target.settle();
      await untilMore(allowed, 20);
    }
    await expectNothingLost(allowed);
    for (const flow of forbidden) {
      const { client, server } = await flow.close();
      assert.ok(client.sent > 100, `only ${client.sent} packets tried`);
      assert.equal(server.received, 0);
    }
  }

  it('report unenforceable fields as Events of the policy, and enforce the rest (S9.6, S9.11)', async function () {
    // No address block at all, and older API servers store it (S9.3).
    const bad = policy('x', 'bad', {
      ingress: [{ from: [block('::ffff:10.0.0.0/90')] }, { from: [pods({}, { ns: 'y' })] }],
    });
    try {
      await cluster().apply(bad);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 422) throw error;
      return skipTest(this, 'this API server stores no policy that is wrong');
    }
    await cluster().expect([
      { from: 'y/b', to: 'x/a', port: 'TCP/80', answer: 'x/a' },
      { from: 'z/b', to: 'x/a', port: 'TCP/80', answer: 'timeout' },
    ]);
    await eventually(() => missingWarning('NetworkPolicy', 'x/bad'));
  });

  it('keep a pod’s address that another pod claims, because its node knows the owner (S1.9)', async () => {
    const podIPs = cluster().families.map((family) => ({ ip: cluster().address('x/b', family) }));
    const twin = cluster().pod('x/twin', { node: 'gone', ports: [] });
    await cluster().objects.apply(twin);
    const status = { phase: 'Running', podIP: podIPs[0]!.ip, podIPs };
    await cluster().objects.patch('Pod', { namespace: 'x', name: 'twin' }, { status }, 'status');
    await cluster().apply(policy('x', 'p', { pods: { pod: 'b' }, ingress: [{ ports: [port('TCP/80')] }] }));
    const ask = (port: string, answer: string) => ({ from: 'y/b', to: 'x/b', port, answer });
    await cluster().expect([ask('TCP/80', 'x/b'), ask('TCP/81', 'timeout')]);
    await cluster().remove(twin);
    await cluster().expect([ask('TCP/80', 'x/b'), ask('TCP/81', 'timeout')]);
  });

  /** One node emits the Event; the others find it and do not repeat it. */
  async function missingWarning(kind: string, key: string): Promise<string | undefined> {
    const [namespace, name] = key.split('/') as [string, string];
    const events = await cluster().objects.list('Event', namespace);
    const warnings = events.filter(
      (event) =>
        fieldAt(event, 'involvedObject', 'kind') === kind &&
        fieldAt(event, 'involvedObject', 'name') === name &&
        fieldAt(event, 'source', 'component') === 'postern' &&
        event['type'] === 'Warning',
    );
    const reasons = warnings.map((event) => String(event['reason']));
    return reasons.length === 1 ? undefined : `about ${kind} ${key}: ${reasons.length} Warnings (${reasons.join()})`;
  }
});
