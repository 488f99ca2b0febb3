import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { timeLimitOf } from '../../src/agent/time-limit.ts';
import { buildNoAllows } from '../../src/compile/build-classes.ts';
import type { NodeFact } from '../../src/model/cluster.ts';
import { directions } from '../../src/model/policy.ts';
import { tableFamilies, type Chain, type Operation, type Ruleset, type Table } from '../../src/nftables/ruleset.ts';
import type { TableFamily } from '../../src/nftables/ruleset.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, pod, policy, sandbox } from '../support/objects.ts';
import { plain } from '../support/plain.ts';
import { compileNode, removeOf, startPipeline, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';

const web = pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } });
const client = pod('x/client', { node: 'n2', ips: ['10.1.0.2'], labels: { app: 'client' } });
const allowClient = policy('x/web', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }],
});
const cluster = [namespace('x'), web, client, allowClient];

/** The policy with another rule: a change that makes, switches and breaks. */
const allowBlock = policy('x/web', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ ipBlock: { cidr: '172.16.0.0/24' } }] }],
});
const changedCluster = [namespace('x'), web, client, allowBlock];

/** By which it has a guarded port on a bridge, and the table of bridges something to hold. */
const webSandbox = sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'cni0', port: 'veth-web' } });

function equalCertain({ reconciler }: NodeAgent, isCertain: boolean): void {
  assert.equal(reconciler.isCertain, isCertain);
}

const readStages = (nft: FakeNft) => nft.runs.filter(({ check }) => !check).map(({ operations }) => operations);

describe('Reconciler', function () {
  this.timeout(0);

  it('writes nothing before all first lists are in, and then everything (S7.14)', async () => {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    agent.upsert(...cluster);
    const [last, ...others] = syncedEvents();
    agent.receive(...others);
    await agent.idle();
    assert.equal(nft.runs.length, 0);
    assert.equal(nft.ruleset, undefined);
    agent.receive(last!);
    await agent.idle();
    assertHolds(nft, cluster);
    assert.deepEqual(agent.stages, ['make', 'switch']);
  });

  it('has nothing in force until the kernel shows what was written, and tries again', async () => {
    const nft = new FakeNft();
    let isLost = true;
    const kernel: KernelTables = {
      observe: (signal) => nft.observe(signal),
      observeChain: (family, name, signal) =>
        isLost ? Promise.resolve(undefined) : nft.observeChain(family, name, signal),
      run: (operations, options) => nft.run(operations, options),
    };
    const agent = await new NodeAgent(kernel).start(cluster);
    assert.deepEqual([agent.applied, agent.failures.length], [[], 1]);
    isLost = false;
    await agent.wait(1000);
    assert.equal(agent.applied.length, 1);
    assertHolds(nft, cluster);
  });

  for (const lost of tableFamilies) {
    it(`has nothing in force until table ${lost} shows what was written too`, async () => {
      const nft = new FakeNft();
      let isLost = true;
      const kernel: KernelTables = {
        observe: (signal) => nft.observe(signal),
        observeChain: (family, name, signal) =>
          isLost && family === lost ? Promise.resolve(undefined) : nft.observeChain(family, name, signal),
        run: (operations, options) => nft.run(operations, options),
      };
      const agent = new NodeAgent(kernel);
      agent.receive(webSandbox);
      await agent.start(cluster);
      assert.deepEqual([agent.applied, agent.failures.length], [[], 1]);
      isLost = false;
      await agent.wait(1000);
      assert.equal(agent.applied.length, 1);
    });

    it(`adopts the other tables where table ${lost} is gone, and table ${lost} where it is alone`, async () => {
      const desired = startPipeline('n1', cluster);
      desired.receive(webSandbox);
      const { ruleset } = desired.plan(undefined).compiled;
      const { [lost]: alone, ...others } = ruleset;
      for (const found of [others, { [lost]: alone! }]) {
        const nft = new FakeNft(found);
        const agent = new NodeAgent(nft);
        agent.receive(webSandbox);
        await agent.start(cluster);
        assert.deepEqual([agent.applied.length, agent.failures], [1, []]);
        assert.deepEqual(planStages(ruleset, nft.ruleset).stages, []);
        const written = new Set(readStages(nft).flatMap((operations) => operations.map(({ family }) => family)));
        const missing = tableFamilies.filter((family) => !(family in found));
        assert.deepEqual([...written], missing);
      }
    });
  }

  it('compiles while the kernel is read, and takes in what comes meanwhile', async () => {
    for (const late of [[], [allowBlock]]) {
      const nft = new FakeNft();
      const steps: string[] = [];
      const kernel: KernelTables = {
        async observe(signal) {
          steps.push('reading');
          await new Promise(setImmediate);
          steps.push('read');
          agent.upsert(...late);
          return nft.observe(signal);
        },
        observeChain: (family, name, signal) => nft.observeChain(family, name, signal),
        run: (operations, options) => nft.run(operations, options),
      };
      const agent = new NodeAgent(kernel);
      const { pipeline } = agent;
      const prepare = pipeline.prepare.bind(pipeline);
      pipeline.prepare = () => {
        steps.push('compiled');
        prepare();
      };
      await agent.start(cluster);
      assert.deepEqual(steps, ['reading', 'compiled', 'read']);
      assertHolds(nft, late.length > 0 ? changedCluster : cluster);
    }
  });

  it('plans as after an interrupted change when it starts and after a failure, and no more once a change is complete', async () => {
    const nft = new FakeNft();
    const told: (boolean | undefined)[] = [];
    let fails = false;
    const agent = new NodeAgent({
      observe: (signal) => nft.observe(signal),
      observeChain: (family, name, signal) => nft.observeChain(family, name, signal),
      async run(operations, options) {
        if (fails) throw new Error('the session ended');
        return nft.run(operations, options);
      },
    });
    const plan = agent.pipeline.plan.bind(agent.pipeline);
    agent.pipeline.plan = (applied, refused, options) => {
      told.push(options?.isInterrupted);
      return plan(applied, refused, options);
    };
    await agent.start(cluster);
    agent.upsert(allowBlock);
    await agent.idle();
    assert.deepEqual(told, [true, false]);
    fails = true;
    agent.upsert(allowClient);
    await agent.idle();
    fails = false;
    await agent.wait(1000);
    assert.deepEqual(told, [true, false, false, true]);
    assertHolds(nft, cluster);
  });

  it('has a change in force before it waits for packets in flight, to delete what they may be in', async () => {
    const nft = new FakeNft();
    const steps: string[] = [];
    const agent = new NodeAgent({
      observe: (signal) => nft.observe(signal),
      observeChain: (family, name, signal) => nft.observeChain(family, name, signal),
      run(operations, options) {
        steps.push(options.afterGracePeriod ? 'waits and runs' : 'runs');
        return nft.run(operations, options);
      },
    });
    agent.onApplied = () => steps.push('applied');
    await agent.start(cluster);
    steps.length = 0;
    agent.upsert(allowBlock);
    await agent.idle();
    assert.deepEqual(steps, ['runs', 'runs', 'applied', 'waits and runs']);
    assertHolds(nft, changedCluster);
  });

  describe('in a burst or after a long plan', () => {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const add = (agent: NodeAgent, index: number): void =>
      agent.upsert(pod(`x/more-${index}`, { ips: [`10.1.1.${index}`] }));

    /** An agent whose first plan took 400 ms, and an event that came meanwhile. */
    async function busy(): Promise<NodeAgent> {
      const agent = await new NodeAgent(new FakeNft(), new ManualClock()).start(cluster);
      const plan = agent.pipeline.plan.bind(agent.pipeline);
      agent.pipeline.plan = (...args) => {
        agent.pipeline.plan = plan;
        agent.clock.advance(400);
        return plan(...args);
      };
      agent.onStage = () => {
        agent.onStage = () => {};
        add(agent, 1);
      };
      agent.upsert(allowBlock);
      for (let turns = 0; turns < 20; turns++) await turn();
      assert.deepEqual([agent.applied.length, agent.clock.pending], [2, 1]);
      return agent;
    }
    async function pass(agent: NodeAgent, milliseconds: number): Promise<void> {
      agent.clock.advance(milliseconds);
      for (let turns = 0; turns < 20; turns++) await turn();
    }

    it('plans again when no event has come for a while', async () => {
      const agent = await busy();
      await pass(agent, 19);
      assert.equal(agent.applied.length, 2);
      await pass(agent, 1);
      assert.deepEqual([agent.applied.length, agent.applied.at(-1)], [3, agent.received]);
    });

    it('makes one change of all events of a burst, but does not wait longer than the plan took', async () => {
      const agent = await busy();
      for (let index = 2; index < 21; index++) {
        add(agent, index);
        await pass(agent, 20);
        assert.equal(agent.applied.length, 2);
      }
      add(agent, 21);
      await pass(agent, 20);
      assert.deepEqual([agent.applied.length, agent.applied.at(-1)], [3, agent.received]);
    });

    it('does not wait once all is in force', async () => {
      const agent = await busy();
      await pass(agent, 20);
      add(agent, 2);
      for (let turns = 0; turns < 20; turns++) await turn();
      assert.equal(agent.applied.at(-1), agent.received);
    });

    it('makes one change of a burst that begins before the first plan of it, but does not wait longer than 750 ms', async () => {
      const agent = await new NodeAgent(new FakeNft(), new ManualClock()).start(cluster);
      const burst = (): void => {
        for (let index = 0; index < 20; index++) add(agent, index);
      };
      burst();
      await pass(agent, 0);
      for (let periods = 0; periods < 37; periods++) {
        await pass(agent, 19);
        assert.equal(agent.applied.length, 1);
        burst();
        await pass(agent, 1);
      }
      await pass(agent, 20);
      assert.deepEqual([agent.applied.length, agent.applied.at(-1)], [2, agent.received]);
    });

    it('does not wait for events that merely go on after a burst, as in a large cluster', async () => {
      const agent = await new NodeAgent(new FakeNft(), new ManualClock()).start(cluster);
      for (let index = 0; index < 20; index++) add(agent, index);
      await pass(agent, 0);
      for (let index = 20; index < 39; index++) add(agent, index);
      await pass(agent, 20);
      assert.deepEqual([agent.applied.length, agent.applied.at(-1)], [2, agent.received]);
    });
  });

  it('makes one change of events that came in one piece', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start(cluster);
    const before = nft.runs.length;
    for (let i = 0; i < 19; i++) agent.upsert(pod(`x/more-${i}`, { ips: [`10.1.1.${i}`], labels: { app: 'client' } }));
    await agent.idle();
    assert.equal(nft.runs.length, before + 1);
    assert.equal(agent.applied.length, 2);
  });

  it('applies one change at a time; what comes meanwhile goes into the next, and only the newest state of it', async () => {
    const nft = new FakeNft();
    const kernel = new GatedDoor(nft);
    const agent = await new NodeAgent(kernel).start(cluster);
    const atStart = agent.received;

    kernel.close();
    agent.upsert(allowBlock);
    await kernel.knock();
    for (const ip of ['10.1.0.3', '10.1.0.4', '10.1.0.5']) {
      agent.upsert(pod('x/client', { node: 'n2', ips: [ip], labels: { app: 'client' } }));
      agent.upsert(allowClient);
    }
    kernel.open();
    await agent.idle();

    assert.deepEqual(agent.applied, [atStart, atStart + 1, atStart + 7]);
    assert.equal(kernel.mostAtOnce, 1);
    const texts = JSON.stringify(readStages(nft).map((stage) => stage.map(renderElements)));
    assert.ok(texts.includes('10.1.0.5') && !texts.includes('10.1.0.3') && !texts.includes('10.1.0.4'), texts);
    assertHolds(nft, [web, pod('x/client', { node: 'n2', ips: ['10.1.0.5'], labels: { app: 'client' } }), allowClient]);
  });

  it('loses no change, at whatever moment of the end of an apply it comes', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      const late = new Promise<void>((resolve) => {
        agent.onApplied = () => {
          agent.onApplied = () => {};
          void afterMicrotasks(ticks).then(() => {
            agent.upsert(allowClient);
            resolve();
          });
        };
      });
      agent.upsert(allowBlock);
      await late;
      await agent.idle();
      assert.equal(agent.applied.at(-1), agent.received, `${ticks} microtasks after the apply`);
      assertHolds(nft, cluster);
    }
  });

  it('tells when the events had come that came into force, also where it took several tries', async () => {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    agent.upsert(...cluster);
    agent.clock.advance(5000);
    await agent.start([]);
    assert.deepEqual(agent.arrivals, [[5000]], 'first lists are not late');
    nft.failNext(new Error('no answer'));
    agent.upsert(allowBlock);
    await agent.idle();
    agent.clock.advance(50);
    agent.upsert(allowClient);
    await agent.wait(150);
    agent.upsert(allowBlock);
    await agent.idle();
    assert.deepEqual(agent.arrivals.slice(1), [[5000, 5050], [5200]]);
  });

  const facts: Readonly<Record<string, readonly NodeFact[]>> = {
    '': [],
    ', with a gate for IPv4 alone': [{ op: 'ranges', cidrs: ['10.1.0.0/24'] }],
    ', with a gate for IPv6 alone': [{ op: 'ranges', cidrs: ['fd01::/64'] }],
    ', with gate and guard of routed pods': [
      { op: 'ranges', cidrs: ['10.1.0.0/24', 'fd01::/64'] },
      sandbox('x/web', { ips: ['10.1.0.1', 'fd01::1'], link: { device: 'veth-web' } }),
    ],
    ', with gate and guard on a bridge': [
      { op: 'ranges', cidrs: ['10.1.0.0/24', 'fd01::/64'] },
      sandbox('x/web', { ips: ['10.1.0.1', 'fd01::1'], link: { device: 'cni0', port: 'veth-web' } }),
    ],
  };
  for (const [what, known] of Object.entries(facts)) {
    for (const ips of [['10.1.0.1'], ['fd01::1'], ['10.1.0.1', 'fd01::1']]) {
      it(`writes nothing when it starts anew in an unchanged cluster${what}: ${ips.join(', ')}`, async () => {
        const objects = [...cluster, pod('x/web', { ips, labels: { app: 'web' } })];
        const nft = new FakeNft();
        const start = (): Promise<NodeAgent> => {
          const agent = new NodeAgent(nft);
          agent.receive(...known);
          return agent.start(objects);
        };
        await start();
        const before = nft.runs.length;
        const again = await start();
        assert.equal(nft.runs.length, before);
        assert.equal(again.applied.length, 1);
      });
    }
  }

  it('compiles nothing for what changes nothing here, also where it has found all in place', async () => {
    const nft = new FakeNft();
    await new NodeAgent(nft).start(cluster);
    const again = await new NodeAgent(nft).start(cluster);
    for (const name of ['x/a', 'x/b']) {
      again.upsert(pod(name, { node: 'n2', ips: [`10.2.0.${name === 'x/a' ? 1 : 2}`] }));
      await again.idle();
    }
    const [, second, third, ...others] = again.compiled;
    assert.ok(second);
    assert.equal(third, second);
    assert.deepEqual(others, []);
  });

  it('writes only the difference when it starts anew in another cluster', async () => {
    const nft = new FakeNft();
    await new NodeAgent(nft).start(cluster);
    const again = await new NodeAgent(nft).start(changedCluster);
    assertHolds(nft, changedCluster);
    assert.deepEqual(again.stages, ['make', 'switch', 'delete']);
  });

  it('replaces what an older version wrote into a chain that every node has', async () => {
    const old = (held: Table): Table => {
      const chains = new Map(held.chains);
      chains.set('midstream', { ...chains.get('midstream')!, rules: [{ matches: [], verdict: { kind: 'drop' } }] });
      return { ...held, chains };
    };
    const { ip, ip6 } = compileNode('n1', cluster);
    const nft = new FakeNft({ ip: old(ip!), ip6: old(ip6!) });
    await new NodeAgent(nft).start(cluster);
    assertHolds(nft, cluster);
    assert.deepEqual(
      readStages(nft).map((stage) => stage.map(({ verb, family }) => `${verb} ${family}`)),
      [['replace rules ip', 'replace rules ip6']],
    );
  });

  describe('a failed write', () => {
    const failure = Object.assign(new Error('no answer'), { code: 'crashed' });

    it('keeps the last good rules, is tried again later and later, and ends in the right table', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      for (let i = 0; i < 10; i++) nft.failNext(failure);
      const good = nft.ruleset;
      agent.upsert(allowBlock);
      await agent.idle();
      const delays: number[] = [];
      while (agent.applied.length === 1) {
        assert.equal(nft.ruleset, good);
        const { error, retryIn } = agent.failures.at(-1)!;
        assert.equal(error, failure);
        delays.push(retryIn);
        await agent.wait(retryIn - 1);
        assert.equal(agent.failures.length, delays.length, 'not before its time');
        await agent.wait(1);
      }
      assert.deepEqual(delays, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
      assertHolds(nft, changedCluster);
      assert.deepEqual(agent.refused, []);
      nft.failNext(failure);
      agent.upsert(allowClient);
      await agent.idle();
      assert.equal(agent.failures.at(-1)!.retryIn, 200, 'a success ends the back-off');
    });

    it('makes it read the table again, of which it cannot know what became', async () => {
      for (const found of [undefined, compileNode('n1', []), compileNode('n1', changedCluster)]) {
        const nft = new FakeNft();
        const agent = await new NodeAgent(nft).start(cluster);
        nft.failNext(failure);
        agent.upsert(pod('x/more', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'client' } }));
        await agent.idle();
        nft.ruleset = found;
        await agent.wait(200);
        assert.equal(agent.failures.length, 1);
        assertHolds(nft, [...cluster, pod('x/more', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'client' } })]);
      }
    });

    it('makes it read the table again, where the next write would be taken as well', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      nft.failNext(failure);
      agent.upsert(pod('x/client', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'client' } }));
      await agent.idle();
      nft.ruleset = compileNode('n1', [...cluster, pod('x/gone', { ips: ['10.1.0.4'], labels: { app: 'client' } })]);
      await agent.wait(200);
      assertHolds(nft, [
        web,
        pod('x/client', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'client' } }),
        allowClient,
      ]);
    });

    it('lets events gather until it is due again', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      const before = nft.runs.length;
      nft.failNext(failure);
      agent.upsert(allowBlock);
      await agent.idle();
      agent.upsert(allowClient);
      agent.upsert(allowBlock);
      await agent.idle();
      assert.equal(nft.runs.length, before + 1);
      await agent.wait(200);
      assert.deepEqual(agent.applied.at(-1), agent.received);
    });
  });

  describe('a refusal that is the fault of no policy', () => {
    it('blames none, and is tried again', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      // The new address of a pod that every policy isolates: no allow of any policy brings it in.
      nft.refuseElement('10.1.0.77');
      const moved = pod('x/web', { ips: ['10.1.0.77'], labels: { app: 'web' } });
      agent.upsert(moved);
      await agent.idle();
      assert.deepEqual(agent.refused, []);
      assert.equal(agent.failures.length, 1);
      assertHolds(nft, cluster);
      nft.acceptElement('10.1.0.77');
      await agent.wait(agent.failures[0]!.retryIn);
      assertHolds(nft, [moved, client, allowClient]);
    });

    it('is seen to be the doing of another program, and mended at once', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      nft.ruleset = undefined;
      agent.upsert(allowBlock);
      await agent.idle();
      assertHolds(nft, changedCluster);
      assert.deepEqual([agent.refused, agent.failures], [[], []]);
    });

    it('blames none where the kernel takes in a check what it refuses in earnest', async () => {
      const nft = new FakeNft();
      const two = [...changedCluster, policy('x/other', { podSelector: {}, ingress: [{ ports: [{ port: 443 }] }] })];
      const agent = await new NodeAgent({
        observe: (signal) => nft.observe(signal),
        observeChain: (family, name, signal) => nft.observeChain(family, name, signal),
        async run(operations, options) {
          if (!options.check) throw Object.assign(new Error('no memory'), { code: 'refused' });
          return nft.run(operations, options);
        },
      }).start(two);
      assert.deepEqual(agent.refused, []);
      assert.equal(agent.failures.length, 1);
    });
  });

  describe('when it is stopped', () => {
    it('brings a change that has begun to its end, and begins no other', async () => {
      const nft = new FakeNft();
      const kernel = new GatedDoor(nft);
      const agent = await new NodeAgent(kernel).start(cluster);
      kernel.close();
      agent.upsert(allowBlock);
      await kernel.knock();
      agent.stop();
      agent.upsert(allowClient);
      kernel.open();
      await agent.idle();
      assertHolds(nft, changedCluster);
      agent.upsert(allowClient);
      await agent.idle();
      assertHolds(nft, changedCluster);
    });

    it('waits for nothing any more', async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start(cluster);
      nft.failNext(new Error('no answer'));
      agent.upsert(allowBlock);
      await agent.idle();
      assert.deepEqual([agent.clock.pending, agent.flusherClock.pending], [1, 1]);
      agent.stop();
      assert.deepEqual([agent.clock.pending, agent.flusherClock.pending], [0, 0]);
    });
  });

  describe('a crash', () => {
    for (const [name, { before, after }] of Object.entries({
      'on the first load': { before: [], after: cluster },
      'in a change of three stages': { before: cluster, after: changedCluster },
      'while everything is taken away': { before: cluster, after: [namespace('x')] },
    })) {
      it(`${name}, before and after every stage, ends in the right table after a restart`, async () => {
        const count = planStages(compileNode('n1', after), before.length > 0 ? compileNode('n1', before) : undefined)
          .stages.length;
        for (let done = 0; done <= count; done++) {
          // Back to the newest state, and to the one before, as if the change had been taken back meanwhile.
          for (const wanted of [after, before]) {
            const nft = new FakeNft();
            if (before.length > 0) await new NodeAgent(nft).start(before);
            const runs = nft.runs.length;
            await Promise.race([nft.crashAfterRuns(done), new NodeAgent(nft).start(after)]);
            assert.equal(nft.runs.length, runs + done);
            nft.restart();
            await new NodeAgent(nft).start(wanted);
            assertHolds(nft, wanted);
          }
        }
        assert.ok(count >= 1);
      });
    }
  });
});

describe('a policy that the kernel refuses (S9.10)', function () {
  this.timeout(0);

  for (const count of [8, 16, 100, 500]) {
    it(`of ${count} costs at most 2·log2(n) more runs, and only its own allows`, async () => {
      for (const bad of [0, count >> 1, count - 1]) {
        const all = blockCluster(count);
        const healthy = await new NodeAgent(new FakeNft()).start(all);
        const nft = new FakeNft();
        nft.refuseElement(elementOf(bad));
        const agent = await new NodeAgent(nft).start(all);
        assert.deepEqual(agent.refused, [`x/p${bad}`]);
        assert.deepEqual(agent.failures, []);
        const extra = nft.runs.length - healthy.stages.length;
        assert.ok(extra <= 2 * Math.log2(count), `${extra} extra runs to find number ${bad} of ${count}`);
        assertHolds(nft, blockCluster(count, new Set([bad])));
      }
    });
  }

  it('keeps the isolation of a pod that nothing else isolates', async () => {
    const only = [web, blockPolicy(3)];
    const nft = new FakeNft();
    nft.refuseElement(elementOf(3));
    await new NodeAgent(nft).start(only);
    assertHolds(nft, [web, blockPolicy(3, true)]);
    assert.ok(nft.ruleset!.ip!.maps.get('ingress4')!.elements.has('10.1.0.1'));
  });

  it('leaves the rest of the change in force, and is found among several', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start(blockCluster(8));
    nft.refuseElement(elementOf(10));
    nft.refuseElement(elementOf(12));
    agent.upsert(...[9, 10, 11, 12].map((index) => blockPolicy(index)));
    await agent.idle();
    assert.deepEqual(agent.refused.toSorted(), ['x/p10', 'x/p12']);
    assertHolds(nft, [
      ...blockCluster(8),
      blockPolicy(9),
      blockPolicy(10, true),
      blockPolicy(11),
      blockPolicy(12, true),
    ]);
  });

  it('goes on being left out while other things change', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const agent = await new NodeAgent(nft).start(blockCluster(4));
    const runs = nft.runs.length;
    agent.upsert(blockPolicy(5));
    await agent.idle();
    assert.equal(nft.runs.slice(runs).filter(({ outcome }) => outcome === 'refused').length, 0);
    assertHolds(nft, [...blockCluster(4, new Set([1])), blockPolicy(5)]);
  });

  it('is tried at once when it changes', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const agent = await new NodeAgent(nft).start(blockCluster(4));
    const changed = policy('x/p1', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.210.0.1/32' } }] }] });
    agent.upsert(changed);
    await agent.idle();
    assert.deepEqual([...agent.reconciler.refusedPolicies], []);
    assertHolds(nft, [...blockCluster(4).filter(({ metadata }) => metadata.name !== 'p1'), changed]);
  });

  it('is forgotten when it is gone', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const agent = await new NodeAgent(nft).start(blockCluster(4));
    agent.receive(removeOf(blockPolicy(1)));
    await agent.idle();
    assert.deepEqual([...agent.reconciler.refusedPolicies], []);
    assertHolds(
      nft,
      blockCluster(4).filter(({ metadata }) => metadata.name !== 'p1'),
    );
  });

  it('is tried again later and later, and comes into force when the kernel takes it (S7.17)', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const agent = await new NodeAgent(nft).start(blockCluster(4));
    for (const delay of [10_000, 20_000, 40_000]) {
      const runs = nft.runs.length;
      await agent.wait(delay - 1);
      assert.equal(nft.runs.length, runs, 'not before its time');
      await agent.wait(1);
      assert.deepEqual(
        nft.runs.slice(runs).map(({ check, outcome }) => ({ check, outcome })),
        [{ check: true, outcome: 'refused' }],
      );
    }
    nft.acceptElement(elementOf(1));
    await agent.wait(80_000);
    assert.deepEqual([...agent.reconciler.refusedPolicies], []);
    assertHolds(nft, blockCluster(4));
    assert.equal(agent.clock.pending, 0);
  });

  it('is not mistaken for another when it changes while it is looked for', async () => {
    for (let checks = 1; checks <= 5; checks++) {
      for (const change of [removeOf(blockPolicy(12)), upsertOf(blockPolicy(12, true))]) {
        const nft = new FakeNft();
        nft.refuseElement(elementOf(12));
        const kernel = new GatedDoor(nft);
        const agent = new NodeAgent(kernel);
        let left = checks;
        kernel.beforeRun = ({ check }) => {
          if (check && --left === 0) agent.receive(change);
        };
        await agent.start(blockCluster(16));
        while (agent.clock.pending > 0) await agent.wait(10_000);
        assert.deepEqual(
          agent.refused.filter((id) => id !== 'x/p12'),
          [],
          `it changed at check ${checks}`,
        );
        const others = blockCluster(16).filter(({ metadata }) => metadata.name !== 'p12');
        assertHolds(nft, change.op === 'remove' ? others : [...others, blockPolicy(12, true)]);
      }
    }
  });

  it('is not mistaken for another when one more that the kernel refuses comes while it is looked for', async () => {
    for (let checks = 1; checks <= 5; checks++) {
      const nft = new FakeNft();
      for (const bad of [12, 20]) nft.refuseElement(elementOf(bad));
      const kernel = new GatedDoor(nft);
      const agent = new NodeAgent(kernel);
      let left = checks;
      kernel.beforeRun = ({ check }) => {
        if (check && --left === 0) agent.upsert(blockPolicy(20));
      };
      await agent.start(blockCluster(16));
      for (let retries = agent.failures.length; retries > 0; retries--) await agent.wait(200);
      assert.deepEqual(agent.refused.toSorted(), ['x/p12', 'x/p20'], `it came at check ${checks}`);
      assertHolds(nft, [...blockCluster(16, new Set([12])), blockPolicy(20, true)]);
    }
  });

  it('may be deleted while it is tried again', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const kernel = new GatedDoor(nft);
    const agent = await new NodeAgent(kernel).start(blockCluster(4));
    kernel.close();
    agent.clock.advance(10_000);
    await kernel.knock();
    agent.receive(removeOf(blockPolicy(1)));
    kernel.open();
    await agent.idle();
    assert.deepEqual(agent.failures, []);
    assertHolds(
      nft,
      blockCluster(4).filter(({ metadata }) => metadata.name !== 'p1'),
    );
  });

  it('is not blamed for kernel tables that fail while the culprit is looked for', async () => {
    const nft = new FakeNft();
    nft.refuseElement(elementOf(1));
    const kernel = new GatedDoor(nft);
    let checks = 0;
    kernel.beforeRun = ({ check }) => {
      if (check && ++checks === 2) throw Object.assign(new Error('gone'), { code: 'missing' });
    };
    const agent = await new NodeAgent(kernel).start(blockCluster(16));
    assert.deepEqual(agent.refused, []);
    assert.equal(agent.failures.length, 1);
    await agent.wait(200);
    assert.deepEqual(agent.refused, ['x/p1']);
    assertHolds(nft, blockCluster(16, new Set([1])));
  });
});

describe('a change with which nft does not end in time (S7.19)', function () {
  this.timeout(0);

  const other = [namespace('y'), pod('y/web', { ips: ['10.1.1.1'] })];
  const otherPolicy = policy('y/p', {
    podSelector: {},
    ingress: [{ from: [{ ipBlock: { cidr: '10.220.0.1/32' } }], ports: [{ port: 443 }] }],
  });

  for (const end of ['done', 'undone'] as const) {
    it(`costs its namespace the policies that it brings, without a search, and nobody else anything (${end} all the same)`, async () => {
      const nft = new FakeNft();
      const agent = await new NodeAgent(nft).start([...blockCluster(4), ...other]);
      nft.delayElement(elementOf(10), end);
      const runs = nft.runs.length;
      agent.upsert(...[9, 10, 11].map((index) => blockPolicy(index)), otherPolicy);
      await agent.idle();
      assert.deepEqual(agent.refused.toSorted(), ['x/p10', 'x/p11', 'x/p9']);
      assert.deepEqual(agent.failures, []);
      const left = [9, 10, 11].map((index) => blockPolicy(index, true));
      assertHolds(nft, [...blockCluster(4), ...other, ...left, otherPolicy]);
      const tried = nft.runs.slice(runs);
      // One short check tells a costly change from a busy node.
      assert.deepEqual(
        [tried.filter(({ outcome }) => outcome === 'late').length, tried.filter(({ check }) => check).length],
        [2, 1],
      );
    });
  }

  it('blames nobody where nft takes it soon after: the node was busy', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start([...blockCluster(4), ...other]);
    nft.delayElement(elementOf(10), 'undone');
    const run = nft.run.bind(nft);
    nft.run = async (...args) => {
      try {
        return await run(...args);
      } finally {
        nft.hastenElement(elementOf(10));
      }
    };
    agent.upsert(blockPolicy(10));
    await agent.idle();
    assert.deepEqual([agent.refused, agent.failures], [[], []]);
    assertHolds(nft, [...blockCluster(4), ...other, blockPolicy(10)]);
  });

  it('is tried again without holding up others for long, and comes into force when nft ends in time', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start([...blockCluster(4), ...other]);
    nft.delayElement(elementOf(10), 'undone');
    agent.upsert(blockPolicy(10));
    await agent.idle();
    assert.deepEqual(agent.refused, ['x/p10']);
    await agent.wait(10_000);
    const tries = nft.runs.filter(({ check }) => check);
    assert.deepEqual(
      tries.map(({ outcome }) => outcome),
      ['late', 'late'],
    );
    assert.ok(tries.every(({ timeoutMs }) => timeoutMs! <= 1000));
    agent.upsert(otherPolicy);
    await agent.idle();
    assertHolds(nft, [...blockCluster(4), ...other, blockPolicy(10, true), otherPolicy]);
    nft.hastenElement(elementOf(10));
    await agent.wait(20_000);
    assert.deepEqual(agent.accepted, ['x/p10']);
    assertHolds(nft, [...blockCluster(4), ...other, blockPolicy(10), otherPolicy]);
  });

  it('costs the namespace that costs most, where the change brings no policy', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start([...cluster, ...other, otherPolicy]);
    nft.delayElement('10.1.0.77 . tcp . 80', 'undone');
    agent.upsert(pod('x/client', { node: 'n2', ips: ['10.1.0.77'], labels: { app: 'client' } }));
    await agent.idle();
    assert.deepEqual([agent.refused, agent.failures], [['x/web'], []]);
    assert.ok(nft.ruleset!.ip!.maps.get('ingress4')!.elements.has('10.1.1.1'));
  });

  it('is a failure like any other where no policy costs anything', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start(other);
    nft.delayElement('10.1.1.77', 'undone');
    agent.upsert(pod('y/web', { ips: ['10.1.1.77'] }));
    await agent.idle();
    assert.deepEqual([agent.refused, agent.failures.length], [[], 1]);
  });

  it('may take longer the more it writes', () => {
    const set = { name: 's', key: ['ipv4_addr'], interval: false } as const;
    const limitOf = (count: number): number =>
      timeLimitOf([
        {
          family: 'ip',
          verb: 'add elements',
          set: { ...set, elements: new Set() },
          elements: Array.from({ length: count }, String),
        },
      ]);
    assert.ok(Number.isInteger(limitOf(1)), 'as execa wants it');
    assert.deepEqual(
      [limitOf(1), limitOf(100_000), limitOf(10_000_000)].map((ms) => Math.round(ms / 1000)),
      [5, 15, 60],
    );
  });
});

/** A policy that brings one element of its own. */
function blockPolicy(index: number, withoutAllows = false): ApiObject {
  const ingress = [
    {
      from: [{ ipBlock: { cidr: `10.200.${index >> 8}.${index & 255}/32` } }],
      ports: [{ port: 1000 + index }],
    },
  ];
  return policy(`x/p${index}`, {
    podSelector: index % 2 === 0 ? {} : { matchLabels: { app: 'web' } },
    policyTypes: ['Ingress'],
    ingress: withoutAllows ? [] : ingress,
  });
}

function elementOf(index: number): string {
  return `10.200.${index >> 8}.${index & 255} . tcp . ${1000 + index}`;
}

function blockCluster(count: number, withoutAllows: ReadonlySet<number> = new Set()): ApiObject[] {
  const policies = Array.from({ length: count }, (_, index) => blockPolicy(index, withoutAllows.has(index)));
  return [web, pod('x/second', { ips: ['10.1.0.9'], labels: { app: 'second' } }), ...policies];
}

/** The kernel's tables are what the objects say; they may hold sets in another edition. */
function assertHolds(nft: FakeNft, objects: readonly ApiObject[]): void {
  const held: Ruleset = nft.ruleset!;
  const { stages } = planStages(compileNode('n1', objects), held);
  assert.equal([...planSweep(held).stages, ...stages].map(({ operations }) => renderScript(operations)).join('\n'), '');
}

function renderElements(operation: Operation): string {
  if ('elements' in operation) return [...operation.elements].map(String).join();
  return 'set' in operation ? [...operation.set.elements].join() : '';
}

async function afterMicrotasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
describe('an address that passes to another pod (S5.17)', () => {
  const ranges: NodeFact = { op: 'ranges', cidrs: ['10.1.0.0/24'] };
  const next = pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' }, uid: 'next' });

  async function started(kernel: KernelTables): Promise<NodeAgent> {
    const agent = new NodeAgent(kernel);
    agent.flushesAtOnce = false;
    agent.receive(ranges);
    return agent.start(cluster);
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** Lets a flush that is due begin, and waits for the changes that follow from its end. */
  async function flush(agent: NodeAgent): Promise<void> {
    agent.flusherClock.advance(0);
    await turn();
    await agent.idle();
  }
  const noAllows = buildNoAllows();
  function isDenied(nft: FakeNft, address: string): boolean {
    return directions.every((direction) => {
      const verdict = nft.ruleset!.ip!.maps.get(`${direction}4`)!.elements.get(address);
      const { name } = noAllows[direction].families!.ipv4.chains.original.chain;
      return verdict?.kind === 'jump' && verdict.chain === name;
    });
  }

  it('is denied until its connections were deleted, and other changes do not wait', async () => {
    const nft = new FakeNft();
    const agent = await started(nft);
    const deleted = Promise.withResolvers<Set<string>>();
    const asked: (readonly string[])[] = [];
    agent.flush = (addresses) => {
      assert.equal(isDenied(nft, '10.1.0.9'), true, 'the flush begins when the kernel denies the address');
      asked.push(addresses);
      return deleted.promise;
    };
    agent.onStage = () => {
      const isKnown = nft.ruleset!.ip!.maps.get('ingress4')!.elements.has('10.1.0.9');
      assert.equal(isKnown && !isDenied(nft, '10.1.0.9'), false);
    };
    agent.upsert(pod('x/new', { ips: ['10.1.0.9'] }));
    await agent.idle();
    agent.upsert(allowBlock);
    await flush(agent);
    agent.onStage = () => {};
    assert.deepEqual(agent.failures, []);
    assert.deepEqual([asked, isDenied(nft, '10.1.0.9')], [[['10.1.0.9']], true]);
    assert.equal(agent.applied.at(-1), agent.received);
    deleted.resolve(new Set());
    await flush(agent);
    assert.equal(isDenied(nft, '10.1.0.9'), false);
    assert.deepEqual(nft.ruleset!.ip!.maps.get('ingress4')!.elements.get('10.1.0.9'), { kind: 'continue' });
  });

  it('stays denied if they cannot be deleted, and the agent reports that', async () => {
    const nft = new FakeNft();
    const agent = await started(nft);
    const error = new Error('there is no such program');
    agent.flush = () => Promise.reject(error);
    agent.upsert(pod('x/new', { ips: ['10.1.0.9'] }));
    await agent.idle();
    await flush(agent);
    assert.deepEqual(agent.flushed, [{ addresses: ['10.1.0.9'], denied: new Set(['10.1.0.9']), error }]);
    assert.deepEqual([agent.failures, isDenied(nft, '10.1.0.9')], [[], true]);
  });

  it('is denied also if the change would need no transaction, and no other change denies one', async () => {
    const nft = new FakeNft();
    const agent = await started(nft);
    agent.upsert(allowBlock);
    await agent.idle();
    agent.upsert(allowClient);
    await agent.idle();
    await flush(agent);
    assert.deepEqual(agent.flushed, [], 'where there was no table, pods run already');
    agent.upsert(next);
    await agent.idle();
    assert.equal(isDenied(nft, '10.1.0.1'), true);
    await flush(agent);
    assert.deepEqual([agent.flushed.length, isDenied(nft, '10.1.0.1')], [1, false]);
  });

  it('is denied if its pod came while no agent ran, or if the last agent ended before the flush did; others are not', async () => {
    const nft = new FakeNft();
    await started(nft);
    for (let agents = 0; agents < 2; agents++) {
      const again = new NodeAgent(nft);
      again.flushesAtOnce = false;
      again.receive(ranges);
      again.flush = () => new Promise(() => {});
      await again.start([...cluster, pod('x/new', { ips: ['10.1.0.9'] })]);
      assert.deepEqual([isDenied(nft, '10.1.0.9'), isDenied(nft, '10.1.0.1')], [true, false]);
      again.stop();
    }
  });
});

describe('looking whether our tables are as they were written (S7.16)', () => {
  /** Of both families. */
  const dual = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], labels: { app: 'web' } });

  async function settled(): Promise<{ nft: FakeNft; agent: NodeAgent; writes: () => number }> {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    agent.receive(sandbox('x/web', { ips: ['10.1.0.1', 'fd01::1'], link: { device: 'cni0', port: 'veth-web' } }));
    await agent.start([...changedCluster, dual]);
    return { nft, agent, writes: () => nft.runs.length };
  }

  async function verify(agent: NodeAgent): Promise<void> {
    await agent.reconciler.verify();
    await agent.idle();
  }

  it('does nothing where they are', async () => {
    const { agent, writes } = await settled();
    const before = writes();
    await verify(agent);
    assert.deepEqual(agent.drifts, []);
    assert.equal(writes(), before);
  });

  it('does nothing before there is a table', async () => {
    const agent = new NodeAgent(new FakeNft());
    await verify(agent);
    assert.deepEqual(agent.drifts, []);
  });

  const without = (held: Ruleset, family: TableFamily): Ruleset => {
    const { [family]: _, ...others } = held;
    return others;
  };
  const flushed = (held: Table): Table => ({
    ...held,
    chains: new Map([...held.chains].map(([name, chain]) => [name, { ...chain, rules: [] }])),
  });
  const tampering: readonly [string, (held: Ruleset) => Ruleset | undefined, TableFamily][] = [
    ['all were deleted', () => undefined, 'ip'],
    [
      'all were flushed',
      ({ ip, ip6, bridge }) => ({ ip: flushed(ip!), ip6: flushed(ip6!), bridge: flushed(bridge!) }),
      'ip',
    ],
    ...tableFamilies.flatMap((family): [string, (held: Ruleset) => Ruleset, TableFamily][] => [
      [`table ${family} was deleted`, (held) => without(held, family), family],
      [`table ${family} was flushed`, (held) => ({ ...held, [family]: flushed(held[family]!) }), family],
    ]),
  ];
  for (const [what, tamper, family] of tampering) {
    it(`restores our tables where ${what}, and tells`, async () => {
      const { nft, agent } = await settled();
      nft.ruleset = tamper(nft.ruleset!);
      for (let look = 0; look < 2; look++) {
        await verify(agent);
        assert.deepEqual(agent.drifts, [family]);
      }
      assert.deepEqual(planStages(agent.pipeline.plan(undefined).compiled.ruleset, nft.ruleset).stages, []);
    });
  }

  for (const lost of ['ip', 'ip6'] as const) {
    it(`restores table ${lost} in stages where it alone was deleted, and leaves the others as they are`, async () => {
      const { nft, agent, writes } = await settled();
      const before = writes();
      const { [lost]: gone, ...others } = nft.ruleset!;
      nft.ruleset = others;
      agent.stages.length = 0;
      await verify(agent);
      assert.deepEqual(agent.stages, ['make', 'switch']);
      const [make, change] = nft.runs.slice(before).map(({ operations }) => operations);
      assert.ok([...make!, ...change!].every(({ family }) => family === lost));
      // No packet meets any of it before all is there.
      assert.ok(make!.every((operation) => operation.verb !== 'add chain' || !operation.chain.base));
      assert.deepEqual(nft.ruleset, { ...others, [lost]: gone });
    });
  }

  it('looks at the other tables where one cannot be read', async () => {
    const { nft, agent } = await settled();
    nft.ruleset = without(nft.ruleset!, 'ip6');
    nft.failNext(new Error('nft was ended'));
    await assert.rejects(agent.reconciler.verify(), /nft was ended/);
    await new Promise(setImmediate);
    await agent.idle();
    assert.deepEqual(agent.drifts, ['ip6']);
  });

  async function suspect(agent: NodeAgent): Promise<void> {
    agent.reconciler.suspect(true);
    await agent.idle();
  }

  const replaced = <T extends { readonly name: string }>(objects: ReadonlyMap<string, T>, object: T) =>
    new Map([...objects, [object.name, object]]);
  const parts: readonly [string, (table: Table) => Table][] = [
    [
      'a chain was flushed',
      (table) => ({ ...table, chains: replaced(table.chains, { name: 'deny-ingress', rules: [] }) }),
    ],
    [
      'a chain was renamed',
      ({ chains, ...table }) => {
        const others = new Map(chains);
        others.delete('replies');
        return { ...table, chains: others.set('stray', { ...chains.get('replies')!, name: 'stray' }) };
      },
    ],
    [
      'a rule was added',
      (table) => {
        const chain = table.chains.get('deny-ingress')!;
        const rules = [{ matches: [], verdict: { kind: 'return' } } as const, ...chain.rules];
        return { ...table, chains: replaced(table.chains, { ...chain, rules }) };
      },
    ],
    [
      'a set was flushed',
      (table) => ({ ...table, sets: replaced(table.sets, { ...table.sets.get('isolated4')!, elements: new Set() }) }),
    ],
    [
      'an element was added to a set',
      (table) => {
        const set = table.sets.get('isolated4')!;
        return { ...table, sets: replaced(table.sets, { ...set, elements: new Set([...set.elements, '10.9.9.9']) }) };
      },
    ],
    [
      'an element of a map leads elsewhere',
      (table) => {
        const map = table.maps.get('ingress4')!;
        const elements = new Map(Array.from(map.elements, ([key]) => [key, { kind: 'continue' } as const]));
        return { ...table, maps: replaced(table.maps, { ...map, elements }) };
      },
    ],
    [
      'a set was added',
      (table) => ({
        ...table,
        sets: replaced(table.sets, { name: 'stray', key: ['ipv4_addr'], interval: false, elements: new Set() }),
      }),
    ],
  ];
  for (const [what, tamper] of parts) {
    it(`on suspicion finds that ${what}, restores it and tells, once (S7.18)`, async () => {
      const { nft, agent } = await settled();
      const held = nft.ruleset!;
      nft.ruleset = { ...held, ip: tamper(held.ip!) };
      await verify(agent);
      assert.deepEqual(agent.drifts, []);
      for (let look = 0; look < 2; look++) {
        await suspect(agent);
        assert.deepEqual(agent.drifts, ['ip']);
      }
      assert.deepEqual(nft.ruleset, held);
    });
  }

  it('tells who asks what it found on inspection, and reads once for two who ask', async () => {
    const { nft, agent } = await settled();
    assert.deepEqual(await agent.reconciler.inspect(), []);
    const held = nft.ruleset!;
    nft.ruleset = without(held, 'ip6');
    const [first, second] = [agent.reconciler.inspect(), agent.reconciler.inspect()];
    assert.deepEqual(await Promise.all([first, second]), [['ip6'], ['ip6']]);
    await agent.idle();
    assert.deepEqual([agent.drifts, nft.ruleset], [['ip6'], held]);
    assert.deepEqual(await agent.reconciler.inspect(), []);
  });

  it('knows nothing on inspection where the kernel cannot be read', async () => {
    const { nft, agent } = await settled();
    nft.failNext(new Error('nft was ended'));
    assert.equal(await agent.reconciler.inspect(), undefined);
    // What the kernel holds is unknown until the next change.
    assert.equal(await agent.reconciler.inspect(), undefined);
  });

  it('on suspicion does nothing but look where they are as written', async () => {
    const { agent, writes } = await settled();
    const [before, applied] = [writes(), agent.applied.length];
    await suspect(agent);
    assert.deepEqual([writes(), agent.applied.length, agent.drifts], [before, applied, []]);
  });

  const emptying = ['ip', 'ip6'].flatMap((family) =>
    ['flush set', 'add chain', 'delete chain'].map((verb) => `${verb} ${family}`),
  );
  /** The agent leaves one edition of flow sets for the other, and empties both. */
  const forgetting = [['flush set ip', 'delete elements ip', 'flush set ip6', 'delete elements ip6'], emptying];
  const verbsOf = (nft: FakeNft) =>
    readStages(nft).map((stage) => [...new Set(stage.map(({ verb, family }) => `${verb} ${family}`))]);

  const fast = { fastPath: true };

  it('forgets flows on suspicion: another program may have added what looks like one', async () => {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft, new ManualClock(), fast);
    await agent.start(cluster);
    const before = nft.runs.length;
    await suspect(agent);
    assert.deepEqual([verbsOf(nft).slice(before), agent.drifts], [forgetting, []]);
  });

  it('forgets flows when it starts', async () => {
    const { ruleset } = startPipeline('n1', cluster, fast).plan(undefined).compiled;
    const nft = new FakeNft(ruleset);
    const agent = await new NodeAgent(nft, new ManualClock(), fast).start(cluster);
    assert.deepEqual([verbsOf(nft), agent.stages], [forgetting, ['forget', 'delete']]);
  });

  it('forgets flows with both waits if it could not empty the sets of before', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft, new ManualClock(), fast).start(cluster);
    agent.onStage = (stage) => {
      if (stage !== 'switch') return;
      nft.failNext(new Error('nft does not start'));
      agent.onStage = () => {};
    };
    agent.receive(removeOf(client));
    await agent.idle();
    assert.equal(agent.failures.length, 1);
    await agent.wait(1000);
    assert.deepEqual(verbsOf(nft).slice(-2), [
      ['flush set ip', 'add elements ip', 'flush set ip6', 'delete elements ip6'],
      emptying,
    ]);
  });

  it('brings a choice of flow sets back to one edition if another program has changed it', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft, new ManualClock(), fast).start(cluster);
    const { ip } = nft.ruleset!;
    const choice = ip!.sets.get('flows-second')!;
    nft.ruleset = {
      ...nft.ruleset,
      ip: { ...ip!, sets: new Map(ip!.sets).set(choice.name, { ...choice, elements: new Set() }) },
    };
    const before = nft.runs.length;
    await suspect(agent);
    assert.deepEqual(agent.drifts, ['ip']);
    assert.deepEqual(verbsOf(nft).slice(before), [
      ['flush set ip', 'add elements ip', 'flush set ip6', 'delete elements ip6'],
      emptying,
    ]);
  });

  it('looks between two changes of its own, however many there are', async () => {
    const { nft, agent } = await settled();
    const held = nft.ruleset!;
    nft.ruleset = { ...held, ip: parts[0]![1](held.ip!) };
    // Each brings the next.
    let left = 20;
    agent.onApplied = () => {
      if (agent.drifts.length === 0 && left-- > 0) agent.upsert(left % 2 === 0 ? allowClient : allowBlock);
    };
    agent.upsert(allowClient);
    await suspect(agent);
    assert.ok(left > 0);
    assert.deepEqual(agent.drifts, ['ip']);
    assert.deepEqual(planStages(agent.pipeline.plan(undefined).compiled.ruleset, nft.ruleset).stages, []);
  });

  it('applies waiting changes first, for at most two seconds, if it is not certain that another program changed them', async () => {
    for (const [passed, isFirst] of [
      [1999, true],
      [2000, false],
    ] as const) {
      const { nft, agent } = await settled();
      const steps: string[] = [];
      agent.onApplied = () => steps.push('applied');
      const observe = nft.observe.bind(nft);
      nft.observe = (signal) => {
        steps.push('read');
        return observe(signal);
      };
      agent.reconciler.suspect(false);
      agent.clock.advance(passed);
      agent.upsert(allowBlock);
      await agent.idle();
      assert.deepEqual(steps, isFirst ? ['applied', 'read'] : ['read', 'applied']);
    }
  });

  it('is certain of what the kernel holds while no read is due, under way or has failed', async () => {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    equalCertain(agent, false);
    await agent.start(cluster);
    equalCertain(agent, true);
    agent.reconciler.suspect(false);
    equalCertain(agent, false);
    await agent.idle();
    equalCertain(agent, true);
    const inspected = agent.reconciler.inspect();
    await new Promise(setImmediate);
    equalCertain(agent, false);
    await inspected;
    await agent.idle();
    nft.failNext(new Error('nft crashed'));
    agent.upsert(...changedCluster);
    await agent.idle();
    equalCertain(agent, false);
    await agent.wait(1000);
    equalCertain(agent, true);
  });

  it('compares between two changes, with what should be there', async () => {
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start(cluster);
    let isWriting = false;
    const run = nft.run.bind(nft);
    nft.run = async (...args) => {
      isWriting = true;
      await run(...args);
      isWriting = false;
    };
    agent.upsert(...changedCluster);
    let seen: Ruleset | undefined;
    await agent.reconciler.compare(async (should) => {
      for (let turns = 0; turns < 20; turns++) {
        assert.equal(isWriting, false);
        await new Promise(setImmediate);
      }
      seen = should;
      return true;
    });
    // The change that waited came first.
    assert.deepEqual(plain(seen!), plain(nft.ruleset!));
    assertHolds(nft, changedCluster);
  });

  it('compares after two seconds of changes without a pause', async () => {
    const agent = await new NodeAgent(new FakeNft()).start(cluster);
    let count = 0;
    agent.onApplied = () => {
      agent.clock.advance(500);
      if (count++ < 20) agent.upsert(...(count % 2 === 0 ? cluster : changedCluster));
    };
    let at: number | undefined;
    agent.upsert(...changedCluster);
    await agent.reconciler.compare(async () => {
      at = count;
      return true;
    });
    assert.ok(at !== undefined && at <= 5, `after ${at} changes`);
    await agent.idle();
  });

  it('on suspicion does nothing before there is a table', async () => {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    await suspect(agent);
    await agent.start(cluster);
    assert.deepEqual([agent.drifts, agent.failures], [[], []]);
    assertHolds(nft, cluster);
  });

  it('takes no change of its own for another program’s', async () => {
    const nft = new FakeNft();
    const kernel = new GatedDoor(nft);
    const agent = await new NodeAgent(kernel).start([]);
    kernel.close();
    agent.upsert(...changedCluster);
    await kernel.knock();
    await agent.reconciler.verify();
    kernel.open();
    await agent.idle();
    assert.deepEqual(agent.drifts, []);
  });
});

/** A door that lets a run wait at its threshold. */
class GatedDoor implements KernelTables {
  readonly #kernel: KernelTables;
  #gate = Promise.withResolvers<void>();
  #knocked = Promise.withResolvers<void>();
  #atOnce = 0;
  mostAtOnce = 0;
  beforeRun: (options: { check: boolean }) => void = () => {};

  constructor(kernel: KernelTables) {
    this.#kernel = kernel;
    this.#gate.resolve();
  }

  close(): void {
    this.#gate = Promise.withResolvers();
    this.#knocked = Promise.withResolvers();
  }

  open(): void {
    this.#gate.resolve();
  }

  /** Settles when a run waits. */
  knock(): Promise<void> {
    return this.#knocked.promise;
  }

  observe(signal: AbortSignal): Promise<Ruleset | undefined> {
    return this.#kernel.observe(signal);
  }

  observeChain(family: TableFamily, name: string, signal: AbortSignal): Promise<Chain | undefined> {
    return this.#kernel.observeChain(family, name, signal);
  }

  async run(operations: readonly Operation[], options: { check: boolean; signal: AbortSignal }): Promise<void> {
    this.beforeRun(options);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    this.#knocked.resolve();
    try {
      await this.#gate.promise;
      await this.#kernel.run(operations, options);
    } finally {
      this.#atOnce--;
    }
  }
}
