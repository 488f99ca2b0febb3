import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import type { AgentProcess } from '../../src/lab/agent-process.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Flow } from '../../src/lab/flow.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { tableFamilies, type Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { flowChoiceSetName } from '../../src/compile/names.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { ApiGate } from './api-gate.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { NftShim } from './nft-shim.ts';
import { listExactly, listTables } from './our-tables.ts';
import { block, pods, policy, port } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const anyPeer = pods({}, { team: 'peers' });
const deny = policy('x', 'deny', { ingress: [], egress: [] });
const rule = (from: readonly object[], ports: readonly string[]) =>
  policy('x', 'p', { ingress: [{ from, ports: ports.map(port) }] });
/** From one to the other is a change of three stages; both allow UDP/5000 and not UDP/6000. */
const oneState = rule([anyPeer], ['UDP/5000', 'TCP/80']);
const otherState = rule([anyPeer, block('10.50.0.0/16')], ['UDP/5000', 'TCP/8080']);

describe('the life of an agent (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let agent: AgentProcess;
  let shim: NftShim;
  before(async function () {
    await needMachine(this, 'bridge');
    shim = await NftShim.create();
    cluster = await Cluster.up({ name: nameLab('klife'), agents: false });
    agent = cluster.lab.agents.get('n1')!;
    await cluster.apply(deny, oneState);
    await start();
  });
  after(async () => {
    await cluster?.lab.down();
    await shim?.remove();
  });
  afterEach(() => shim?.reset());

  const start = async (): Promise<void> => {
    await agent.start({ env: shim.env });
    await cluster.lab.settle();
  };

  it('rules stay when it stops, and one that starts on an unchanged cluster only leaves the flow sets of before (S7.13, S7.14)', async () => {
    await listTables(cluster.lab);
    const before = await listExactly(cluster.lab);
    await agent.stop();
    assert.equal(await listExactly(cluster.lab), before);
    await assertEnforced(cluster, oneState);
    await shim.reset();
    await start();
    // One reading lists three tables. If it began before nft monitor listened, or if that reported late, there is another one. After each, the agent chooses
    // the other flow sets, and empties those of before. The sampler, which compares the tables a part at a time, lists more.
    await eventually(async () => {
      const [{ writes, checks }, lists] = [await shim.runs(), await shim.lists()];
      const isAsExpected = checks === 0 && writes >= 2 && writes % 2 === 0 && lists >= (3 * writes) / 2;
      return isAsExpected ? undefined : `${writes} writes, ${checks} checks, ${lists} listings`;
    });
    assert.equal(await readMetric(cluster.lab, 'n1', 'postern_adoptions_total{result="unchanged"}'), 1);
    assert.equal(await listExactly(cluster.lab), before);
  });

  it('leaves out a policy that costs more than --namespace-budget lets it, and no other', async () => {
    const blocks = Array.from({ length: 2000 }, (_, index) => block(`10.60.${index >> 7}.${2 * (index & 127)}/32`));
    const from = [...blocks, pods({ pod: 'stranger' })];
    const large = policy('x', 'large', { ingress: [{ from, ports: [port('TCP/80')] }] });
    const answer = { from: 'others/stranger', to: 'x/p', port: 'TCP/80' } as const;
    await cluster.apply(large);
    try {
      await cluster.expect([{ ...answer, answer: 'x/p' }]);
      await agent.stop();
      await agent.start({ env: shim.env, args: ['--namespace-budget', '10000'] });
      await cluster.lab.settle();
      await cluster.expect([{ ...answer, answer: 'timeout' }]);
      await assertEnforced(cluster, oneState);
    } finally {
      await cluster.remove(large);
      await agent.stop();
      await start();
    }
  });

  it('what changed while it was away is enforced when it is back', async () => {
    await agent.stop();
    await cluster.apply(otherState);
    await assertEnforced(cluster, oneState);
    await start();
    await assertEnforced(cluster, otherState);
    await cluster.apply(oneState);
    await assertEnforced(cluster, oneState);
  });

  it('killed before and after every stage of a change, it ends in the right table, and nothing forbidden passes', async () => {
    const flows = await openFlows(cluster);
    await cluster.apply(oneState);
    await shim.reset();
    await cluster.apply(otherState);
    const undisturbed = await listTables(cluster.lab);
    const { writes: stages } = await shim.runs();
    assert.equal(stages, 3);

    for (let stage = 1; stage <= stages; stage++) {
      for (const moment of ['before', 'after'] as const) {
        await cluster.apply(oneState);
        await shim.killAt(moment, stage);
        cluster.lab.apply([otherState]);
        await ended(agent, `was not killed ${moment} stage ${stage}`);
        await assertVerdicts(flows);
        await shim.reset();
        await start();
        assertSame(await listTables(cluster.lab), undisturbed);
        await assertEnforced(cluster, otherState);
      }
    }
    await assertNothingLost(flows);
    await cluster.apply(oneState);
  });

  it('killed before and after every stage of its first load, it ends in the right table', async () => {
    const undisturbed = await loadAnew();
    const { writes } = await shim.runs();
    // Two more for each time that the tables were read again, because nft monitor did not listen yet or reported late.
    assert.ok(writes >= 2 && writes % 2 === 0, `${writes} stages`);
    const stages = 2;
    for (let stage = 1; stage <= stages; stage++) {
      for (const moment of ['before', 'after'] as const) {
        await agent.stop();
        await deleteTables(cluster);
        await shim.killAt(moment, stage);
        await agent.start({ env: shim.env });
        await ended(agent, `was not killed ${moment} stage ${stage}`);
        await shim.reset();
        await start();
        assertSame(await listTables(cluster.lab), undisturbed);
        await assertEnforced(cluster, oneState);
      }
    }
  });

  it('writes nothing while one of the first lists is missing (S7.14)', async () => {
    const gate = await ApiGate.create(cluster.lab, 'n1');
    try {
      for (const resource of resourceNames) {
        await agent.stop();
        await deleteTables(cluster);
        await shim.reset();
        gate.hold(resource);
        await agent.start({ env: shim.env, args: ['--kubeconfig', gate.kubeconfig] });
        await eventually(async () => {
          const { body } = await readPage(cluster.lab, 'n1', '/readyz');
          return body.includes(`waiting for the first list of ${resource}\n`) ? undefined : body;
        });
        // Time enough for one that does not wait: it hears of change after change.
        for (let change = 0; change < 5; change++) await makeHear(cluster, resource, change);
        assert.deepEqual(await shim.runs(), { writes: 0, checks: 0 });
        assert.equal(await listTables(cluster.lab), undefined);
        gate.open();
        await cluster.lab.settle();
        await assertEnforced(cluster, oneState);
      }
    } finally {
      gate.close();
    }
  });

  for (const [what, ...resources] of [
    ['no policies', 'networkpolicies'],
    // Nobody knew a ClusterNetworkPolicy.
    ['nothing at all', ...resourceNames.filter((name) => name !== 'clusternetworkpolicies')],
  ] as const) {
    it(`does not open what its rules deny where the API server lists ${what} (S7.18)`, async () => {
      await listTables(cluster.lab);
      const before = await listExactly(cluster.lab);
      await withEmptyLists(resources, async (gate) => {
        await agent.stop();
        await agent.start({ env: shim.env, args: ['--kubeconfig', gate.kubeconfig] });
      });
      assert.equal(await listExactly(cluster.lab), before);
    });

    it(`nor what a node that boots has kept, where the API server lists ${what}`, async () => {
      const directory = join(cluster.lab.state.nodeDirectory('n1'), 'kept');
      const kept = ['--state-dir', directory];
      await agent.stop();
      await agent.start({ env: shim.env, args: kept });
      await eventually(async () => (existsSync(join(directory, 'state.json')) ? undefined : 'nothing is kept'));
      await withEmptyLists(resources, async (gate) => {
        await agent.stop();
        await deleteTables(cluster);
        await agent.start({ env: shim.env, args: [...kept, '--kubeconfig', gate.kubeconfig] });
        await eventually(async () =>
          (await readMetric(cluster.lab, 'n1', 'postern_state_restored')) === 1 ? undefined : 'nothing is restored',
        );
      });
      await rm(directory, { recursive: true });
    });
  }

  /** From a start with empty lists until they are whole again. */
  async function withEmptyLists(
    resources: readonly string[],
    restart: (gate: ApiGate) => Promise<void>,
  ): Promise<void> {
    const gate = await ApiGate.create(cluster.lab, 'n1');
    try {
      gate.empty(...resources);
      await restart(gate);
      for (const resource of resources) {
        await eventually(async () => {
          const { body } = await readPage(cluster.lab, 'n1', '/readyz');
          return body.includes(`lists no ${resource}, but this node knew at least `) ? undefined : body;
        });
      }
      await assertEnforced(cluster, oneState);
      gate.open();
      await cluster.lab.settle();
      await assertEnforced(cluster, oneState);
    } finally {
      gate.close();
      await agent.stop();
      await start();
    }
  }

  /** By an agent that finds no table of ours. */
  async function loadAnew(): Promise<Ruleset | undefined> {
    await agent.stop();
    await deleteTables(cluster);
    await shim.reset();
    await start();
    return listTables(cluster.lab);
  }
});

/** An object that is not of the resource is changed, and the agent has been told. */
async function makeHear({ lab }: Cluster, resource: string, change: number): Promise<void> {
  const kind = resource === 'pods' ? 'namespaces' : 'pods';
  const series = `postern_watch_events_total{resource="${kind}",op="upsert"}`;
  const heard = (await readMetric(lab, 'n1', series)) ?? 0;
  const object = structuredClone(
    lab.store.get(kind, kind === 'pods' ? { namespace: 'spare', name: 'idle' } : { name: 'spare' }),
  );
  object.metadata.labels = { ...object.metadata.labels, change: String(change) };
  lab.store.update(kind, object);
  await eventually(async () => {
    return ((await readMetric(lab, 'n1', series)) ?? 0) > heard ? undefined : `the agent does not hear of ${kind}`;
  });
}

async function deleteTables({ lab }: Cluster): Promise<void> {
  const script = tableFamilies.map((family) => `destroy table ${family} postern`).join('; ');
  await lab.exec('node/n1', 'nft', script);
}

/** Except which edition of a set and which flow sets count, which the way there decides. */
function assertSame(heldNow: Ruleset | undefined, wantedNow: Ruleset | undefined): void {
  assert.ok(heldNow && wantedNow);
  const [held, wanted] = [heldNow, wantedNow].map(withSecondFlows) as [Ruleset, Ruleset];
  assert.deepEqual(planSweep(held).stages, []);
  assert.deepEqual(planStages(wanted, held).stages, []);
  for (const family of tableFamilies) {
    const sizes = ({ [family]: table }: Ruleset) => [table?.chains.size, table?.sets.size];
    assert.deepEqual(sizes(held), sizes(wanted));
  }
}

function withSecondFlows(ruleset: Ruleset): Ruleset {
  const tables = Object.entries(ruleset).map(([family, table]) => {
    const choice = table.sets.get(flowChoiceSetName);
    const sets = new Map(table.sets);
    if (choice) sets.set(choice.name, { ...choice, elements: new Set(['tcp', 'udp']) });
    return [family, { ...table, sets }];
  });
  return Object.fromEntries(tables) as Ruleset;
}

function ended(agent: AgentProcess, otherwise: string): Promise<void> {
  return eventually(async () => (agent.isRunning ? otherwise : undefined));
}

async function assertEnforced(cluster: Cluster, state: ApiObject): Promise<void> {
  const isOne = state === oneState;
  await cluster.expect([
    { from: 'peers/near', to: 'x/p', port: 'UDP/5000', answer: 'x/p' },
    { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: isOne ? 'x/p' : 'timeout' },
    { from: 'peers/far', to: 'x/p', port: 'TCP/8080', answer: isOne ? 'timeout' : 'x/p' },
    { from: 'others/stranger', to: 'x/p', port: 'UDP/5000', answer: 'timeout' },
  ]);
}

interface Flows {
  readonly allowed: readonly Flow[];
  readonly forbidden: readonly Flow[];
}

async function openFlows({ lab }: Cluster): Promise<Flows> {
  const open = (from: string, port: number): Promise<Flow[]> =>
    Promise.all(families.map((family) => lab.openFlow(from, 'x/p', { protocol: 'UDP', port, family, rate: 500 })));
  const allowed = [...(await open('peers/near', 5000)), ...(await open('peers/far', 5000))];
  return { allowed, forbidden: [...(await open('peers/near', 6000)), ...(await open('others/stranger', 5000))] };
}

/** While it runs: the forbidden have nothing, the allowed go on. */
async function assertVerdicts({ allowed, forbidden }: Flows): Promise<void> {
  const before = await Promise.all(allowed.map((flow) => flow.state()));
  await eventually(async () => {
    const now = await Promise.all(allowed.map((flow) => flow.state()));
    const goOn = now.every(({ server }, index) => server.received > before[index]!.server.received + 20);
    return goOn ? undefined : 'an allowed flow does not go on';
  });
  for (const { server } of await Promise.all(forbidden.map((flow) => flow.state()))) assert.equal(server.received, 0);
}

async function assertNothingLost(flows: Flows): Promise<void> {
  await assertVerdicts(flows);
  await Promise.all(flows.allowed.map((flow) => flow.pause()));
  await eventually(async () => {
    const states = await Promise.all(flows.allowed.map((flow) => flow.state()));
    const lost = states.map(({ client, server }) => client.sent - server.distinct);
    return lost.every((count) => count === 0) ? undefined : `allowed packets that did not arrive: ${lost.join()}`;
  });
  await Promise.all([...flows.allowed, ...flows.forbidden].map((flow) => flow.close()));
}
