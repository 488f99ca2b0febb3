import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { eventually } from './eventually.ts';
import {
  clientAddresses,
  FlowScene,
  podAddresses,
  sumOf,
  trafficTo,
  versions,
  type Counts,
  type Edit,
  type Target,
} from './flow-scene.ts';

/**
 * `REVOCATIONS=10000 npx mocha test/kernel/revocations.test.ts` prints its counts.
 *
 * One revocation is one change of the API objects that takes from one client the permission to send to one port of one pod, in both families. The
 * agent's pipeline compiles and plans it alone, and its stages are transactions of their own. It counts only if packets of this flow are known to the
 * fast path in both families right before it. Permissions come back together, between rounds.
 */
const revocations = Number(process.env['REVOCATIONS'] ?? 48);
const pods = [1, 2, 3];
const ports = [5000, 5001, 5002, 5003];
const flows: readonly Target[] = pods.flatMap((each) => ports.map((port) => ({ pod: each, port })));
/** Stays allowed. */
const kept: readonly Target[] = pods.map((each) => ({ pod: each, port: 6000 }));
/** Packets of each revoked flow and family that must have come since its revocation. */
const enough = 100;

const kinds = ['another port', 'no peer', 'no policy'] as const;
type Kind = (typeof kinds)[number];

const friendOf = ({ pod: number, port }: Target): string => `friend-${number}-${port}`;
const policyOf = (flow: Target, port = flow.port): ApiObject =>
  policy(`x/${friendOf(flow)}`, {
    podSelector: { matchLabels: { app: `pod${flow.pod}` } },
    policyTypes: ['Ingress'],
    ingress: [
      { from: [{ podSelector: { matchLabels: { [friendOf(flow)]: 'yes' } } }], ports: [{ port, protocol: 'UDP' }] },
    ],
  });
const friends = (of: readonly Target[]): Record<string, string> =>
  Object.fromEntries(of.map((flow) => [friendOf(flow), 'yes']));
const client = (of: readonly Target[]): ApiObject =>
  pod('x/client', { node: 'n2', ips: Object.values(clientAddresses), labels: friends(of) });

describe('revocations under a flood (S5.12, S5.21, kernel)', function () {
  this.timeout(600_000 + 2000 * revocations);
  const scene = new FlowScene('revoke', [...flows, ...kept]);
  const pipeline = startPipeline(
    'n1',
    [
      namespace('x'),
      node('n1', '192.0.2.1'),
      ...pods.map((each) =>
        pod(`x/pod${each}`, { ips: Object.values(podAddresses(each)), labels: { app: `pod${each}` } }),
      ),
      client(flows),
      pod('x/other', { node: 'n2', ips: ['10.2.0.3', 'fd02::3'], labels: friends(flows) }),
      policy('x/kept', {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ port: kept[0]!.port, protocol: 'UDP' }] }],
      }),
      ...flows.map((flow) => policyOf(flow)),
    ],
    { fastPath: true },
  );
  for (const each of pods) {
    const facts = { ips: Object.values(podAddresses(each)), link: { device: `pod${each}` } };
    pipeline.receive(sandbox(`x/pod${each}`, facts));
  }
  let applied: Ruleset | undefined;

  before(async function () {
    await scene.open(this);
    await bring();
    await scene.flood();
  });
  after(() => scene.close());

  it('end the flows of which they are, and lose nothing of what stays allowed', async () => {
    const start = await scene.countQuiet();
    const total = { revocations: 0, sent: 0, leaked: 0, leaks: 0, lost: 0 };
    for (let round = 0; total.revocations < revocations; round++) {
      const counted = await revokeAll(flows.slice(0, revocations - total.revocations), round);
      for (const [what, value] of Object.entries(counted)) total[what as keyof typeof counted] += value;
      if (process.env['REVOCATIONS'] && round % 20 === 0) process.stderr.write(`${JSON.stringify(total)}\n`);
    }
    const end = await scene.countQuiet();
    for (const each of kept) {
      const traffic = trafficTo(each, start, end);
      assert.ok(sumOf(traffic, 'arrived') > 0);
      total.lost += sumOf(traffic, 'arrived') - sumOf(traffic, 'passed');
    }
    if (process.env['REVOCATIONS']) process.stderr.write(`${JSON.stringify(total)}\n`);
    assert.deepEqual([total.leaked, total.lost], [0, 0]);
    assert.ok(total.sent > total.revocations * versions.length * enough);
  });

  it('would end no flow if the edition stayed', async () => {
    const keeping: Edit = (stage) => ({
      ...stage,
      operations: stage.operations.filter(
        (each) => each.verb !== 'flush set' && !('set' in each && each.set.name === 'flows-second'),
      ),
    });
    const some = flows.slice(0, 3);
    assert.equal((await revokeAll(some, 0, keeping)).leaks, some.length);
  });

  async function bring(inForce?: () => Promise<void>, edit?: Edit): Promise<void> {
    const plan = pipeline.plan(applied);
    applied = await scene.apply(plan, inForce, edit);
  }

  /**
   * Revokes the flows one after the other, and then allows them again.
   * @returns `leaked`: packets of a flow that passed after its revocation was in force. `leaks`: revocations after which some did.
   */
  async function revokeAll(
    these: readonly Target[],
    round: number,
    edit?: Edit,
  ): Promise<{ revocations: number; sent: number; leaked: number; leaks: number }> {
    const revoked = new Map<Target, Counts>();
    for (const [index, flow] of these.entries()) {
      await scene.awaitFlow(flow);
      revoke(flow, kinds[(round + index) % kinds.length]!);
      await bring(async () => void revoked.set(flow, await scene.count()), edit);
    }
    let now: Counts = new Map();
    await eventually(async () => {
      now = await scene.count();
      const isSeen = [...revoked].every(([flow, since]) =>
        trafficTo(flow, since, now).every(({ arrived }) => arrived > enough),
      );
      return isSeen ? undefined : 'no packets';
    });
    const traffic = [...revoked].map(([flow, since]) => trafficTo(flow, since, now));
    for (const flow of flows) pipeline.receive(upsertOf(policyOf(flow)));
    denied.clear();
    pipeline.receive(upsertOf(client(flows)));
    await bring();
    return {
      revocations: revoked.size,
      sent: traffic.reduce((sum, each) => sum + sumOf(each, 'arrived'), 0),
      leaked: traffic.reduce((sum, each) => sum + sumOf(each, 'passed'), 0),
      leaks: traffic.filter((each) => sumOf(each, 'passed') > 0).length,
    };
  }

  /** Flows of which the client is no peer any more. */
  const denied = new Set<Target>();

  function revoke(flow: Target, kind: Kind): void {
    switch (kind) {
      case 'another port':
        pipeline.receive(upsertOf(policyOf(flow, flow.port + 100)));
        return;
      case 'no policy':
        pipeline.receive(removeOf(policyOf(flow)));
        return;
      case 'no peer':
        denied.add(flow);
        pipeline.receive(upsertOf(client(flows.filter((each) => !denied.has(each)))));
    }
  }
});
