import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { prefetchTables, maxPrefetchAgeMs, type PrefetchedTables } from '../../src/agent/prefetched-tables.ts';
import { tableFamilies, type Ruleset, type Table } from '../../src/nftables/ruleset.ts';
import { planStages } from '../../src/plan/plan.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline, syncedEvents } from '../support/pipeline.ts';

const { signal } = new AbortController();
const emptyTable: Table = { sets: new Map(), maps: new Map(), chains: new Map() };
const empty: Ruleset = { ip: emptyTable, ip6: emptyTable };

describe('a reading that begins before it is asked for', () => {
  let nft: FakeNft;
  let clock: ManualClock;
  let readings: number;
  let kernel: PrefetchedTables;
  let isCurrent: boolean;

  beforeEach(open);

  function open(): void {
    nft = new FakeNft(empty);
    clock = new ManualClock();
    readings = 0;
    isCurrent = false;
    const counted = {
      observe: () => {
        readings++;
        return nft.observe(signal);
      },
      observeChain: nft.observeChain.bind(nft),
      run: nft.run.bind(nft),
    };
    kernel = prefetchTables(counted, clock, () => isCurrent);
  }

  it('counts once', async () => {
    kernel.begin(signal);
    clock.advance(maxPrefetchAgeMs);
    assert.deepEqual([await kernel.observe(signal), readings], [empty, 1]);
    await kernel.observe(signal);
    assert.equal(readings, 2);
  });

  it('can be read by others too, until it is taken or the agent writes', async () => {
    const early = (): PrefetchedTables['early'] => kernel.early;
    assert.equal(early(), undefined);
    kernel.begin(signal);
    assert.deepEqual([await early(), readings], [empty, 1]);
    await kernel.run([], { check: true, signal });
    assert.deepEqual([await early(), readings], [empty, 1]);
    await kernel.observe(signal);
    assert.deepEqual([early(), readings], [undefined, 1]);
    open();
    kernel.begin(signal);
    await kernel.run([], { check: false, signal });
    assert.equal(early(), undefined);
  });

  it('does not count when it is old', async () => {
    kernel.begin(signal);
    clock.advance(maxPrefetchAgeMs + 1);
    nft.ruleset = undefined;
    assert.deepEqual([await kernel.observe(signal), readings], [undefined, 2]);
  });

  it('counts even when it is old, if nothing has changed since', async () => {
    kernel.begin(signal);
    clock.advance(maxPrefetchAgeMs + 1);
    isCurrent = true;
    assert.deepEqual([await kernel.observe(signal), readings], [empty, 1]);
  });

  it('does not count once something has been written', async () => {
    for (const [check, expected] of [
      [true, 1],
      [false, 2],
    ] as const) {
      open();
      kernel.begin(signal);
      await kernel.run([], { check, signal });
      await kernel.observe(signal);
      assert.equal(readings, expected);
    }
  });

  it('does not begin after our tables have been read', async () => {
    await kernel.observe(signal);
    kernel.begin(signal);
    assert.equal(readings, 1);
  });

  it('tells of its failure who asks for it, and nobody else', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.once('unhandledRejection', listener);
    nft.failNext(new Error('no'));
    kernel.begin(signal);
    await new Promise(setImmediate);
    process.off('unhandledRejection', listener);
    assert.deepEqual(unhandled, []);
    await assert.rejects(kernel.observe(signal), /no/);
    assert.equal(await kernel.observe(signal), empty);
  });

  describe('when another program changes our tables before the first lists are in', () => {
    const cluster = [
      namespace('x'),
      pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } }),
      policy('x/web', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }),
    ];
    const webSandbox = sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'cni0', port: 'veth-web' } });
    const desired = startPipeline('n1', cluster);
    desired.receive(webSandbox);
    const { ruleset } = desired.plan(undefined).compiled;
    const flushed = (held: Table): Table => ({
      ...held,
      chains: new Map([...held.chains].map(([name, chain]) => [name, { ...chain, rules: [] }])),
    });

    const changes: readonly [string, Ruleset | undefined][] = [
      ['all are deleted', undefined],
      ...tableFamilies.flatMap((family): [string, Ruleset][] => {
        const { [family]: held, ...others } = ruleset;
        return [
          [`table ${family} is deleted`, others],
          [`table ${family} is flushed`, { ...ruleset, [family]: flushed(held!) }],
        ];
      }),
    ];
    for (const [what, changed] of changes) {
      for (const [how, objects] of [
        ['nothing else is to be done', cluster],
        ['a change is to be written too', cluster.slice(0, 2)],
      ] as const) {
        it(`is found out: ${what}, ${how}`, async () => {
          nft.ruleset = ruleset;
          const agent = new NodeAgent(kernel, clock);
          agent.receive(webSandbox);
          kernel.begin(signal);
          await new Promise(setImmediate);
          nft.ruleset = changed;
          await agent.start(objects);
          await agent.wait(1000);
          assert.equal(agent.applied.length, 1);
          assert.deepEqual(planStages(agent.pipeline.plan(undefined).compiled.ruleset, nft.ruleset).stages, []);
        });
      }
    }

    it('and nothing is written before', async () => {
      const agent = new NodeAgent(kernel, clock);
      kernel.begin(signal);
      agent.upsert(...cluster);
      agent.receive(...syncedEvents().slice(1));
      await agent.idle();
      assert.deepEqual([nft.runs, readings], [[], 1]);
    });
  });
});
