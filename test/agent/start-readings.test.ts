import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DriftWatch } from '../../src/agent/drift-watch.ts';
import { prefetchTables } from '../../src/agent/prefetched-tables.ts';
import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';

const { signal } = new AbortController();
const cluster = [
  namespace('x'),
  pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } }),
  policy('x/web', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }),
];
const web = sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'veth-web' } });

describe('a start on a node that has its rules', () => {
  const desired = startPipeline('n1', cluster);
  desired.receive(web);
  const { ruleset } = desired.plan(undefined).compiled;

  /** The parts of the agent that read our tables, connected as in `agent-loops.ts`. */
  async function start(
    listens: 'before' | 'after' | 'never',
    lists: 'before' | 'after',
    { hasToWait = false } = {},
  ): Promise<number> {
    const nft = new FakeNft(ruleset);
    const clock = new ManualClock();
    let readings = 0;
    const counted: KernelTables = {
      observe() {
        readings++;
        return nft.observe(signal);
      },
      observeChain: nft.observeChain.bind(nft),
      run: nft.run.bind(nft),
    };
    const listening = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<string>();
    const drift = new DriftWatch({
      startMonitor: () => ({ listening: listening.promise, ended: ended.promise, close: () => {} }),
      clock,
      events: { listening: () => {}, deaf: () => {} },
    });
    const kernel = prefetchTables(drift.behind(counted), clock, () => drift.isCurrent);
    const agent = new NodeAgent(kernel, clock);
    agent.receive(web);
    const looks = async (): Promise<void> => {
      for (let look = 0; look < 3; look++) {
        await drift.look(agent.reconciler);
        await agent.wait(300);
      }
    };
    await drift.look(agent.reconciler);
    if (listens === 'before') listening.resolve();
    // Another agent holds the lock meanwhile.
    if (hasToWait) await looks();
    void drift.firstStart.then(() => kernel.begin(signal));
    if (listens === 'never') ended.resolve('nft was ended by SIGSEGV');
    if (lists === 'after') await looks();
    await agent.start(cluster);
    if (listens === 'after') listening.resolve();
    await looks();
    assert.deepEqual([nft.runs, agent.applied.length, agent.drifts], [[], 1, []]);
    return readings;
  }

  for (const lists of ['before', 'after'] as const) {
    it(`reads our tables once, if the first lists arrive ${lists} its looks at them`, async () => {
      assert.equal(await start('before', lists), 1);
    });
  }

  it('reads our tables once, after another agent has let it write', async () => {
    assert.equal(await start('before', 'before', { hasToWait: true }), 1);
  });

  it('reads our tables once, if nft monitor does not start', async () => {
    assert.equal(await start('never', 'after'), 1);
  });

  it('reads our tables again, if nft monitor listens later: what other programs did before, it has not reported', async () => {
    assert.equal(await start('after', 'before'), 2);
  });
});
