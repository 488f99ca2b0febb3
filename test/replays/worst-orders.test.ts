import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, pod, policy, sandbox } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';

/** What one object goes through, in its order; one list may come before, after, or between another. */
const histories: Readonly<Record<string, readonly (ResourceEvent | NodeFact)[]>> = {
  policy: [
    upsertOf(
      policy('x/web', {
        podSelector: { matchLabels: { app: 'web' } },
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'friends' } } }], ports: [{ port: 80 }] }],
      }),
    ),
  ],
  pod: [
    // Not yet on a node, then without an address, then as it stays.
    upsertOf(pod('x/web', { node: '', labels: { app: 'web' }, phase: 'Pending' })),
    upsertOf(pod('x/web', { labels: { app: 'web' }, phase: 'Pending' })),
    upsertOf(pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } })),
  ],
  sandbox: [sandbox('x/web', { ips: ['10.1.0.1'] })],
  namespaces: [upsertOf(namespace('friends')), upsertOf(namespace('friends', { team: 'friends' }))],
  friend: [upsertOf(pod('friends/a', { node: 'n2', ips: ['10.2.0.1'] }))],
  predecessor: [
    upsertOf(pod('friends/old', { node: 'n2', ips: ['10.2.0.9'] })),
    removeOf(pod('friends/old', { node: 'n2', ips: ['10.2.0.9'] })),
  ],
};

const packet = (source: string, destinationPort: number): Packet => ({
  hook: 'forward',
  family: 'ipv4',
  source,
  destination: '10.1.0.1',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort,
  ctState: 'new',
  direction: 'original',
  tcpSyn: true,
});

describe('a pod whose news come in the worst order (replay of OVN-Kubernetes 9308fbb84)', function () {
  this.timeout(0);

  it('is right once the last of it has come, without waiting for anything, in every order of the objects', async () => {
    let orders = 0;
    for (const order of permutations(Object.keys(histories))) {
      await check(order.flatMap((name) => histories[name]!));
      orders++;
    }
    assert.equal(orders, 720);
  });

  it('in orders that mix them too: the first news of all, then the second of all', async () => {
    for (const order of permutations(Object.keys(histories))) {
      const rounds = [0, 1, 2].map((round) => order.flatMap((name) => histories[name]![round] ?? []));
      await check(rounds.flat());
    }
  });

  /** Each event is a change of its own. No time passes: what waited for a retry would never come. */
  async function check(events: readonly (ResourceEvent | NodeFact)[]): Promise<void> {
    const nft = new FakeNft();
    const agent = new NodeAgent(nft);
    agent.receive({ op: 'ranges', cidrs: ['10.1.0.0/24'] }, ...syncedEvents());
    await agent.idle();
    let policyIsThere = false;
    for (const event of events) {
      policyIsThere ||= event === histories['policy']![0];
      agent.receive(event);
      await agent.idle();
      if (policyIsThere) assert.equal(verdictOf(nft.ruleset!, packet('10.9.0.9', 80)), 'drop');
    }
    assert.deepEqual(
      [packet('10.2.0.1', 80), packet('10.2.0.1', 81), packet('10.2.0.9', 80), packet('10.9.0.9', 80)].map((each) =>
        verdictOf(nft.ruleset!, each),
      ),
      ['accept', 'drop', 'drop', 'drop'],
      JSON.stringify(events),
    );
    assert.deepEqual([agent.clock.pending, agent.failures], [0, []]);
  }
});

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
  }
}
