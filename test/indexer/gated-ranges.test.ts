import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { familyOf } from '../../src/model/address.ts';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { Pipeline, type PipelineOptions } from '../../src/pipeline.ts';
import { endOf, policy, sandbox } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';
import { assertInEveryOrder, permutations } from './in-every-order.ts';

const nodeWith = (name: string, ...podCIDRs: readonly string[]): ApiObject => ({
  kind: 'Node',
  metadata: { name, uid: name },
  spec: { podCIDRs },
});
const learned: NodeFact = { op: 'ranges', cidrs: ['10.9.0.0/24', 'fd09::/64'] };

const packet: Omit<Packet, 'family' | 'source' | 'destination'> = {
  hook: 'forward',
  inInterface: 'eth0',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
  ctState: 'new',
  direction: 'original',
  tcpSyn: true,
  hopLimit: 64,
};

function pipelineOf(options: PipelineOptions = {}): Pipeline {
  return new Pipeline('n1', options);
}

describe('gatedRanges: where no address may be used but those of local pods (S7.5)', () => {
  it('are those that the operator names, else those of the own node, else those that the runtime shows', () => {
    const named = pipelineOf({ podCidrs: ['10.7.0.0/24'] });
    const asked = pipelineOf();
    const told = [
      learned,
      upsertOf(nodeWith('n1', '10.8.0.0/24')),
      removeOf(nodeWith('n1')),
      { ...learned, cidrs: [] },
    ];
    const seen = told.map((event) => {
      named.receive(event);
      asked.receive(event);
      return [named.snapshot.gatedRanges, asked.snapshot.gatedRanges];
    });
    const always = ['10.7.0.0/24'];
    assert.deepEqual(seen, [
      [always, ['10.9.0.0/24', 'fd09::/64']],
      [always, ['10.8.0.0/24']],
      [always, ['10.9.0.0/24', 'fd09::/64']],
      [always, []],
    ]);
  });

  it('are not those of another node', () => {
    const pipeline = pipelineOf();
    pipeline.receive(upsertOf(nodeWith('n2', '10.8.0.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, []);
  });

  it('follow the node', () => {
    const pipeline = pipelineOf();
    pipeline.receive(upsertOf(nodeWith('n1')));
    pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
    pipeline.receive(upsertOf(nodeWith('n1', 'fd08::/64', '10.8.1.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.8.1.0/24', 'fd08::/64']);
  });

  it('are canonical, each once, and none within another', () => {
    const { snapshot } = pipelineOf({ podCidrs: ['fd01::1/64', '10.1.0.0/16', '10.1.3.0/24', '10.1.0.9/16'] });
    assert.deepEqual(snapshot.gatedRanges, ['10.1.0.0/16', 'fd01::/64']);
  });

  it('are none where there is no gate', () => {
    const pipeline = pipelineOf({ gate: false, podCidrs: ['10.7.0.0/24'] });
    pipeline.receive(learned);
    pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, []);
  });

  const podWith = (name: string, of: string, ...ips: readonly string[]): ApiObject => ({
    kind: 'Pod',
    metadata: { namespace: 'x', name, uid: name },
    spec: { nodeName: of },
    status: { podIPs: ips.map((ip) => ({ ip })) },
  });
  const own = upsertOf(nodeWith('n1', '10.8.0.0/24', 'fd08::/64'));
  const other = upsertOf(nodeWith('n2', '10.8.1.0/24', 'fd08:1::/64'));
  const ofNode = ['10.8.0.0/24', 'fd08::/64'];

  describe('are not those of the Node', () => {
    const away = podWith('p', 'n1', '10.8.0.9', 'fd09::9');
    const record = sandbox('x/p', { uid: 'p', ips: ['10.8.0.9', 'fd09::9'] });

    it('where a sandbox of this node has an address outside, whichever is told first, until it is gone', () => {
      for (const told of permutations([own, other, upsertOf(away), record])) {
        const pipeline = pipelineOf();
        for (const event of told) pipeline.receive(event);
        assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [[], ofNode]);
        pipeline.receive(learned);
        assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.9.0.0/24', 'fd09::/64']);
        pipeline.receive(endOf(record));
        assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [ofNode, []]);
      }
    });

    it('unless only the API server says so: who may write the status of a pod does not turn the gate off', () => {
      const pipeline = pipelineOf();
      for (const event of [own, other, upsertOf(away)]) pipeline.receive(event);
      assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [ofNode, []]);
    });

    it('unless pods only do as they should, or have no node yet, or the operator names the ranges', () => {
      const pods = [
        podWith('a', 'n1', '10.8.0.9', 'fd08::9'),
        podWith('b', 'n2', '10.8.1.9', 'fd08:1::9'),
        podWith('c', '', '10.8.0.10'),
      ];
      const pipeline = pipelineOf();
      const recorded = sandbox('x/a', { uid: 'a', ips: ['10.8.0.9', 'fd08::9'] });
      for (const event of [own, other, ...pods.map(upsertOf), recorded]) pipeline.receive(event);
      assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [ofNode, []]);
      const named = pipelineOf({ podCidrs: ['10.8.0.0/24'] });
      for (const event of [own, other, upsertOf(away), record]) named.receive(event);
      assert.deepEqual([named.snapshot.gatedRanges, named.disputedRanges], [['10.8.0.0/24'], []]);
    });

    it('as to one family, where the Node says nothing of it', () => {
      const pipeline = pipelineOf();
      pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
      for (const event of [upsertOf(away), record]) pipeline.receive(event);
      assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.8.0.0/24']);
    });
  });

  describe('a pod of another node that claims an address in the range of this one', () => {
    const verdicts = (pipeline: Pipeline, ...addresses: readonly string[]): string => {
      const ruleset = pipeline.plan(undefined).compiled.ruleset;
      return addresses
        .flatMap((address) => {
          const family = familyOf(address);
          const outside = family === 'ipv4' ? '203.0.113.5' : '2001:db8::5';
          return [
            verdictOf(ruleset, { ...packet, family, source: outside, destination: address }),
            verdictOf(ruleset, { ...packet, family, source: address, destination: outside }),
          ];
        })
        .join(' ');
    };
    const told = (...events: readonly (NodeFact | ResourceEvent)[]): Pipeline => {
      const pipeline = pipelineOf();
      for (const event of [...syncedEvents(), own, other, ...events]) pipeline.receive(event);
      return pipeline;
    };
    const claim = upsertOf(podWith('p', 'n2', '10.8.0.9'));
    const claims = (node: string, count: number, first = 0) =>
      Array.from({ length: count }, (_, index) => {
        const address = `fd08::${(first + index + 1).toString(16)}`;
        return upsertOf(podWith(`${node}-${index}`, node, address));
      });

    it('opens the gate to that address alone, whichever is told first, until it is gone', () => {
      for (const events of permutations([own, other, claim])) {
        const pipeline = told(...events);
        assert.deepEqual(pipeline.snapshot.gatedRanges, ofNode);
        assert.equal(verdicts(pipeline, '10.8.0.9', '10.8.0.10'), 'accept accept drop drop');
        assert.deepEqual(pipeline.gateClaims, [{ node: 'n2', addresses: 1, pass: true }]);
        pipeline.receive(removeOf(podWith('p', 'n2')));
        assert.equal(verdicts(pipeline, '10.8.0.9'), 'drop drop');
        assert.deepEqual(pipeline.gateClaims, []);
      }
    });

    it('does not pass where a pod of this node has the address, in whatever order that is told', () => {
      const here = [podWith('mine', 'n1', '10.8.0.9'), sandbox('x/mine', { uid: 'mine', ips: ['10.8.0.9'] })];
      const elsewhere = [nodeWith('n1', '10.8.0.0/24'), nodeWith('n2'), podWith('p', 'n2', '10.8.0.9')];
      assertInEveryOrder(elsewhere, { denied: { '10.8.0.9': '' } });
      assertInEveryOrder([...elsewhere, ...here], { pods: { 'x/mine (mine)': '10.8.0.9: ' } });
    });

    it('still passes while it terminates (S1.5)', () => {
      const leaving = podWith('p', 'n2', '10.8.0.9');
      const metadata = { ...leaving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
      assert.equal(verdicts(told(upsertOf({ ...leaving, metadata })), '10.8.0.9'), 'accept accept');
    });

    it('opens nothing where the network configuration of this node names the range', () => {
      const pipeline = told(claim, { op: 'ranges', cidrs: ['10.8.0.0/23', 'fd08::/64'] });
      assert.equal(verdicts(pipeline, '10.8.0.9'), 'drop drop');
      assert.deepEqual(pipeline.gateClaims, [{ node: 'n2', addresses: 1, pass: false }]);
      assert.equal(verdicts(told(claim, { op: 'ranges', cidrs: ['10.8.0.0/25'] }), '10.8.0.9'), 'accept accept');
    });

    it('opens nothing where its Node is gone: its ranges may have been handed on', () => {
      const pipeline = told(claim);
      const seen = [removeOf(nodeWith('n2')), other].map((event) => {
        pipeline.receive(event);
        return verdicts(pipeline, '10.8.0.9');
      });
      assert.deepEqual(seen, ['drop drop', 'accept accept']);
    });

    it('opens nothing to an address of which this node knows: of a sandbox, a local pod or a device (S1.9)', () => {
      const policyOfAll = upsertOf(policy('x/all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }));
      const mine = upsertOf(podWith('mine', 'n1', '10.8.0.9'));
      const going = podWith('mine', 'n1', '10.8.0.9');
      const leaving = { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
      const known: readonly (readonly (NodeFact | ResourceEvent)[])[] = [
        [sandbox('x/mine', { uid: 'mine', ips: ['10.8.0.9'] })],
        [mine, sandbox('x/mine', { uid: 'mine', ips: ['10.8.0.9'] })],
        [mine],
        [upsertOf(leaving)],
        [{ op: 'links', links: new Map([['10.8.0.9', { device: 'veth1' }]]) }],
      ];
      for (const facts of known) {
        for (const events of [
          [claim, ...facts],
          [...facts, claim],
        ]) {
          assert.equal(verdicts(told(policyOfAll, ...events), '10.8.0.9'), 'drop drop', JSON.stringify(facts));
        }
      }
    });

    it('opens so much for one node and no more, and leaves the others theirs', () => {
      const pipeline = told(claim, ...claims('n2', 511));
      assert.equal(verdicts(pipeline, '10.8.0.9', 'fd08::1'), 'accept accept accept accept');
      const third = [upsertOf(nodeWith('n3')), upsertOf(podWith('q', 'n3', '10.8.0.7'))];
      for (const event of [...third, ...claims('n2', 1, 600)]) pipeline.receive(event);
      pipeline.receive(upsertOf(podWith('r', 'n2', '10.8.0.8')));
      assert.equal(verdicts(pipeline, '10.8.0.9', 'fd08::1', '10.8.0.7'), 'drop drop drop drop accept accept');
      assert.deepEqual(pipeline.gateClaims, [
        { node: 'n2', addresses: 513, pass: false },
        { node: 'n3', addresses: 1, pass: true },
      ]);
    });

    it('opens so much in all: of the nodes that claim most, none passes', () => {
      const nodes = Array.from({ length: 10 }, (_, index) => `m${index}`);
      const events = nodes.flatMap((node, index) => [
        upsertOf(nodeWith(node)),
        ...claims(node, 450 + index, index * 512),
      ]);
      const { gateClaims } = told(...events);
      assert.deepEqual(
        gateClaims.map(({ node, pass }) => `${node} ${pass}`),
        [
          'm9 false',
          ...nodes
            .slice(0, 9)
            .toReversed()
            .map((node) => `${node} true`),
        ],
      );
    });
  });
});
