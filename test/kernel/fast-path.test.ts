import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { startNftMonitor } from '../../src/apply/nft-monitor.ts';
import { routedTable, type Operation, type Ruleset } from '../../src/nftables/ruleset.ts';
import type { Transaction } from '../../src/nftables/transactions.ts';
import { planStages } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
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

/** How often the permission comes and goes, for each way to take it away. `revocations.test.ts` runs many more. */
const revocations = 10;
const flow: Target = { pod: 1, port: 5000 };
/** Stays allowed. */
const kept: Target = { pod: 1, port: 5001 };
const server = { ips: Object.values(podAddresses(1)) };

type Rule = 'allowed' | 'another port' | 'no peer' | 'no policy allows';

const client = (labels: Readonly<Record<string, string>>) =>
  pod('x/client', { node: 'n2', ips: Object.values(clientAddresses), labels });

/** `x/server` gets UDP/5001 from everybody, and UDP/5000 from what the rule says. */
function rulesOf(rule: Rule): Ruleset {
  const from = [{ podSelector: { matchLabels: { friend: 'yes' } } }];
  const ports = [{ port: rule === 'another port' ? flow.port + 10 : flow.port, protocol: 'UDP' }];
  const allows = { from, ports };
  const pipeline = startPipeline(
    'n1',
    [
      namespace('x'),
      node('n1', '192.0.2.1'),
      pod('x/server', { ...server, labels: { app: 'server' } }),
      client({ friend: rule === 'no peer' ? 'no' : 'yes' }),
      // Keeps the set of tuples, so that a peer that goes is an element that goes.
      pod('x/other', { node: 'n2', ips: ['10.2.0.3', 'fd02::3'], labels: { friend: 'yes' } }),
      policy('x/p', {
        podSelector: { matchLabels: { app: 'server' } },
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ port: kept.port, protocol: 'UDP' }] }, ...(rule === 'no policy allows' ? [] : [allows])],
      }),
    ],
    { fastPath: true },
  );
  pipeline.receive(sandbox('x/server', { ...server, link: { device: 'pod1' } }));
  return pipeline.plan(undefined).compiled.ruleset;
}

const allowed = rulesOf('allowed');

describe('the fast path under a flood (S5.12, S5.21, kernel)', function () {
  this.timeout(600_000);
  const scene = new FlowScene('fast', [flow, kept]);
  let applied: Ruleset | undefined;

  before(async function () {
    await scene.open(this);
    await bring(allowed);
    await scene.flood();
    await eventually(async () => ((await scene.knownFlows()).length >= 4 ? undefined : 'no flow is known'));
  });
  after(() => scene.close());

  for (const rule of ['another port', 'no peer', 'no policy allows'] as const) {
    it(`ends with the revocation by ${rule}, and what stays allowed loses nothing`, async () => {
      const total = await revokeOften(rule, revocations);
      report(rule, total);
      assert.deepEqual(total.leaked, 0);
      assert.deepEqual(total.lost, 0);
      assert.ok(total.sent > 0);
    });

    it(`would not end with it if the edition stayed: ${rule}`, async () => {
      const keeping = withoutOperations(
        (each) => each.verb === 'flush set' || ('set' in each && each.set.name === 'flows-second'),
      );
      const total = await revokeOften(rule, 3, keeping);
      report(`${rule}, edition kept`, total);
      assert.equal(total.leaks, 3);
      await refresh();
    });
  }

  it('would not end with the second revocation if nothing emptied the edition of before', async () => {
    const total = await revokeOften(
      'no peer',
      4,
      withoutOperations(({ verb }) => verb === 'flush set'),
    );
    report('sets not emptied', total);
    assert.ok(total.leaks >= 2, `${total.leaks}`);
    await refresh();
  });

  for (const waits of [true, false]) {
    it(`${waits ? 'ends' : 'would not end'} with it where packets in flight add themselves ${waits ? 'before' : 'after'} the sets are emptied`, async () => {
      const denied = rulesOf('no peer');
      await bring(denied);
      await delayRecords();
      const edit: Edit = (stage) => ({ ...stage, afterGracePeriod: stage.afterGracePeriod && waits });
      const total = { leaked: 0, leaks: 0 };
      // Without the wait, not every turn has a packet in flight.
      for (let turn = 0; turn < (waits ? 6 : 200); turn++) {
        if (!waits && total.leaks > 0) break;
        // The first packets are judged now, and add themselves later.
        await bring(allowed, edit);
        await bring(denied, edit);
        const { leaked, leaks } = await revokeOften('no peer', 1, edit, undefined, denied);
        total.leaked += leaked;
        total.leaks += leaks;
      }
      report(`packets in flight, ${waits ? 'waited for' : 'not waited for'}`, total);
      if (waits) assert.equal(total.leaked, 0);
      else assert.ok(total.leaks > 0);
      await refresh();
    });
  }

  it('loses and leaks nothing where the sets are full', async () => {
    const small = { seconds: 30, size: 1 };
    const inSmallSets: Edit = (stage) => ({
      ...stage,
      operations: stage.operations.map((each) =>
        each.verb === 'add set' && each.set.records?.seconds === 30
          ? { ...each, set: { ...each.set, records: small } }
          : each,
      ),
    });
    await refresh(inSmallSets);
    const count = async (): Promise<number> => (await scene.knownFlows()).length;
    const fill = (): Promise<void> =>
      eventually(async () => ((await count()) === versions.length ? undefined : 'the sets are not full'));
    await fill();
    const total = await revokeOften('no peer', 10, inSmallSets, fill);
    report('full sets', total);
    assert.deepEqual([total.leaked, total.lost], [0, 0]);
    assert.equal(await count(), versions.length);
    await refresh();
  });

  it('is one transaction of our tables for each stage, also where nothing is in the sets: the agent counts them', async () => {
    const told: Transaction[] = [];
    const stages: string[] = [];
    await scene.withoutFlood(async () => {
      await refresh();
      const monitor = startNftMonitor((transaction) => told.push(transaction), { program: scene.program });
      try {
        await monitor.listening;
        await bring(rulesOf('no peer'), (stage) => {
          stages.push(stage.name);
          return stage;
        });
        assert.equal(stages.at(-1), 'delete');
        // A last one, behind all others.
        await scene.nft('add table ip last');
        await eventually(async () => (told.includes('others') ? undefined : told.join()));
      } finally {
        monitor.close();
      }
    });
    assert.deepEqual(told.filter((each) => each !== 'others').length, stages.length);
    await bring(allowed);
  });

  it('loses nothing where another program flushes the sets', async () => {
    await bring(allowed);
    const start = await scene.countQuiet();
    for (let turn = 0; turn < 20; turn++) {
      await scene.nft(
        ['', '-second']
          .map((edition) => `flush set ip postern udp-flows4${edition}; flush set ip6 postern udp-flows6${edition}`)
          .join('; '),
      );
      await scene.awaitFlow(kept);
    }
    assert.equal(lossBetween(start, await scene.countQuiet()), 0);
  });

  function withoutOperations(isLeftOut: (operation: Operation) => boolean): Edit {
    return (stage) => ({ ...stage, operations: stage.operations.filter((each) => !isLeftOut(each)) });
  }

  /** Makes our tables anew. */
  async function refresh(edit?: Edit): Promise<void> {
    await scene.nft(
      'flush table ip postern; delete table ip postern; flush table ip6 postern; delete table ip6 postern',
    );
    applied = undefined;
    await bring(allowed, edit);
  }

  /** Packets that have been judged take milliseconds until they add themselves to a flow set. */
  async function delayRecords(): Promise<void> {
    const delays = versions.flatMap((version) => {
      const family = routedTable[version === 4 ? 'ipv4' : 'ipv6'];
      const chains = ['originals', 'originals-second'].map((name) => allowed[family]!.chains.get(name)!);
      return [
        `add chain ${family} postern long`,
        `add chain ${family} postern longer`,
        ...Array.from({ length: 1000 }, () => `add rule ${family} postern long udp sport 1 counter`),
        ...Array.from({ length: 1000 }, () => `add rule ${family} postern longer jump long`),
        ...chains.flatMap(({ name, rules }) => {
          const last = rules.findIndex(({ verdict }) => verdict.kind === 'remember') - 1;
          const delay = `add rule ${family} postern ${name} index ${last} udp dport ${flow.port} jump longer`;
          return Array.from({ length: 15 }, () => delay);
        }),
      ];
    });
    await scene.nft(delays.join('\n'));
  }

  function report(what: string, total: object): void {
    if (process.env['REVOCATIONS']) process.stderr.write(`${what}: ${JSON.stringify(total)}\n`);
  }

  /**
   * `leaked`: packets that passed after the last transaction of a revocation. `leaks`: revocations after which some did. `lost`: packets to the port
   * that stays allowed.
   * @param known waits until the fast path knows the flow
   */
  async function revokeOften(
    rule: Rule,
    times: number,
    edit?: Edit,
    known = (): Promise<void> => scene.awaitFlow(flow),
    denied = rulesOf(rule),
  ): Promise<{ leaked: number; leaks: number; lost: number; sent: number }> {
    const total = { leaked: 0, leaks: 0, lost: 0, sent: 0 };
    const start = await scene.countQuiet();
    for (let turn = 0; turn < times; turn++) {
      await bring(allowed, edit);
      await known();
      const inForce = Promise.withResolvers<Counts>();
      await bring(denied, edit, async () => inForce.resolve(await scene.count()));
      const before = await inForce.promise;
      let traffic = trafficTo(flow, before, before);
      await eventually(async () => {
        traffic = trafficTo(flow, before, await scene.count());
        return traffic.every(({ arrived }) => arrived > 200) ? undefined : 'no packets';
      });
      const leaked = sumOf(traffic, 'passed');
      total.leaked += leaked;
      total.leaks += leaked > 0 ? 1 : 0;
      total.sent += sumOf(traffic, 'arrived');
    }
    await bring(allowed);
    total.lost = lossBetween(start, await scene.countQuiet());
    return total;
  }

  /** @param isInForce called before the stages that only clean up */
  async function bring(desired: Ruleset, edit?: Edit, isInForce?: () => Promise<void>): Promise<void> {
    applied = await scene.apply(planStages(desired, applied), isInForce, edit);
  }
});

/** Packets to the port that stays allowed that came to the node and did not leave it. */
function lossBetween(start: Counts, end: Counts): number {
  const traffic = trafficTo(kept, start, end);
  return sumOf(traffic, 'arrived') - sumOf(traffic, 'passed');
}
