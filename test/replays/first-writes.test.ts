import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';

/** What nft says where the kernel is busy, where the kernel has no memory for the answer, and where something ends nft. */
const troubles = {
  EBUSY: { code: 'refused', ofChecks: true },
  'EBUSY of what a check has taken': { code: 'refused', ofChecks: false },
  ENOBUFS: { code: 'failed', ofChecks: true },
  'a killed nft': { code: 'crashed', ofChecks: true },
} as const;

/** The ranges of the node, in which nothing but known pods may be. */
const own: ApiObject = { ...node('n1', '192.0.2.1'), spec: { podCIDRs: ['10.1.0.0/24'] } };
const standing: readonly ApiObject[] = [
  own,
  namespace('x'),
  pod('x/open', { ips: ['10.1.0.2'], labels: { app: 'open' } }),
  pod('x/far', { node: 'n2', ips: ['10.2.0.2'], labels: { app: 'far' } }),
  ...Array.from({ length: 7 }, (_, index) =>
    policy(`x/p${index}`, {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'far' } } }], ports: [{ port: 80 + index }] }],
    }),
  ),
];

/** The device of each pod of the node, by the pod's address. All else comes and goes by the card of the node. */
const pods: Readonly<Record<string, string>> = { '10.1.0.2': 'veth2', '10.1.0.7': 'veth7' };

function packet(source: string, destination: string, destinationPort: number): Packet {
  return {
    hook: 'forward',
    family: 'ipv4',
    inInterface: pods[source] ?? 'eth0',
    outInterface: pods[destination] ?? 'eth0',
    ...(pods[source] && { inKind: 'veth' }),
    ...(pods[destination] && { outKind: 'veth' }),
    source,
    destination,
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort,
    ctState: 'new',
    direction: 'original',
    tcpSyn: true,
  };
}

describe('the first writes about a pod fail (replay of Cilium #44855)', () => {
  for (const [trouble, { code, ofChecks }] of Object.entries(troubles)) {
    for (const app of ['web', 'open']) {
      for (const count of [1, 2, 3, 4]) {
        const whom = app === 'web' ? 'with policies' : 'without policies';
        it(`a pod ${whom}, ${count} times ${trouble}: it is never open, heals within 2 s, and no other is cut`, async () => {
          const nft = new FakeNft();
          let left = 0;
          let isUp = false;
          const kernel: KernelTables = {
            observe: (signal) => nft.observe(signal),
            observeChain: (family, name, signal) => nft.observeChain(family, name, signal),
            run(operations, options) {
              assertNeverWrong();
              if (left === 0 || (options.check && !ofChecks)) return nft.run(operations, options);
              left--;
              return Promise.reject(Object.assign(new Error(trouble), { code }));
            },
          };
          /** At every moment: nobody forbidden reaches the pod, and who was open stays so. */
          const assertNeverWrong = (): void => {
            if (!isUp) return;
            if (!nft.ruleset) assert.fail('there is no table');
            if (app === 'web') assert.equal(verdictOf(nft.ruleset, packet('10.9.0.9', '10.1.0.7', 80)), 'drop');
            if (app === 'web') assert.equal(verdictOf(nft.ruleset, packet('10.2.0.2', '10.1.0.7', 79)), 'drop');
            assert.equal(verdictOf(nft.ruleset, packet('10.9.0.9', '10.1.0.2', 80)), 'accept');
            assert.equal(verdictOf(nft.ruleset, packet('10.1.0.2', '10.2.0.2', 80)), 'accept');
          };
          const agent = new NodeAgent(kernel);
          agent.receive(sandbox('x/open', { ips: ['10.1.0.2'], link: { device: 'veth2' } }));
          await agent.start(standing);
          isUp = true;
          const started = pod('x/new', { ips: ['10.1.0.7'], labels: { app } });
          const itsSandbox = sandbox('x/new', { ips: ['10.1.0.7'], link: { device: 'veth7' } });
          const before = agent.clock.now();
          left = count;
          agent.receive(itsSandbox, upsertOf(started));
          await agent.idle();
          assertNeverWrong();
          if (left > 0) assert.equal(verdictOf(nft.ruleset!, packet('10.2.0.2', '10.1.0.7', 80)), 'drop');
          while (agent.applied.at(-1) !== agent.received) {
            assert.ok(agent.clock.pending > 0, 'it does not try again');
            await agent.wait(10);
            assertNeverWrong();
          }
          const took = agent.clock.now() - before;
          assert.equal(left, 0, 'no write was to fail any more');
          assert.deepEqual(agent.refused, [], 'a policy is blamed');
          assert.ok(took < 2000 || count > 3, `${took} ms`);
          const wanted = startPipeline('n1', [...standing, started]);
          wanted.receive(itsSandbox);
          wanted.receive(sandbox('x/open', { ips: ['10.1.0.2'], link: { device: 'veth2' } }));
          assert.equal(renderRuleset(nft.ruleset!), renderRuleset(wanted.plan(undefined).compiled.ruleset));
          assert.equal(verdictOf(nft.ruleset!, packet('10.2.0.2', '10.1.0.7', 80)), 'accept');
        });
      }
    }
  }
});
