import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { inFamily } from '../../bench/packets/in-family.ts';
import { counts, neighbours, policyObjects, ports } from '../../bench/packets/policies.ts';
import { compileNode, defaults, policiesAlone, type Compiled } from '../../bench/packets/rule-sets.ts';
import { openWay, remoteWay, way, type Way } from '../../bench/packets/scene.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { catchAll } from '../../src/nftables/ruleset.ts';
import { trace, type Trace } from '../../src/nftables/trace.ts';
import { routedTables, verdictOf } from '../support/routed.ts';

/** The set that allows the packets to a port, by the first letter of its name; equal at both ends. */
const kinds: Readonly<Record<string, { port: number; protocol: 'udp' | 'tcp'; set: string }>> = {
  'an exact tuple': { port: ports.tuple, protocol: 'udp', set: 'tuples4' },
  'an exact tuple, TCP': { port: ports.tuple, protocol: 'tcp', set: 'tuples4' },
  'a block': { port: ports.block, protocol: 'udp', set: 'cidrports4' },
  'a shared group': { port: ports.group, protocol: 'udp', set: 'pods4' },
  'the last of three shared groups': { port: ports.lastGroup, protocol: 'udp', set: 'pods4' },
};

describe('policies of the packet benches', function () {
  this.timeout(0);

  it('are reproducible, and a smaller count is a prefix of a larger one', () => {
    assert.deepEqual(policyObjects(1_000), policyObjects(1_000));
    assert.deepEqual(policyObjects(1_000).slice(0, 100), policyObjects(100));
    assert.notDeepEqual(policyObjects(100, 2), policyObjects(100));
  });

  it('reserve the ports of the measured packets for the first ten policies', () => {
    const text = JSON.stringify(policyObjects(10_000).slice(10));
    const named = [...text.matchAll(/"(?:endPort|port)":(\d+)/g)].map(([, port]) => Number(port));
    assert.ok(Math.min(...new Set(named)) > Math.max(...Object.values(ports)));
  });

  for (const count of counts) {
    describe(`${count}`, () => {
      let compiled: Compiled;
      before(() => (compiled = compileNode(policyObjects(count), defaults, 'routed')));

      it('each selects a pod of the node, and a pod has its share of them', () => {
        const { policies, localPods } = compiled.snapshot;
        assert.equal(policies.size, count);
        const shares = [...localPods.values()].map((pod) => pod.policies.length).sort((a, b) => a - b);
        assert.deepEqual(shares.slice(0, 3), [0, 0, Math.max(1, count / 100)]);
        assert.ok(count < 10_000 || shares[2]! >= 20, `${shares[2]}`);
      });

      it('three of ten have both a block and a range of ports', () => {
        const both = policyObjects(count).filter((policy) => {
          const text = JSON.stringify(policy);
          return text.includes('"cidr"') && text.includes('"endPort"');
        });
        assert.ok(both.length >= 0.3 * count, `${both.length}`);
      });

      it('isolate the other pods and both ends, in both directions', () => {
        for (const map of ['ingress4', 'egress4', 'ingress4-r', 'egress4-r']) {
          const { elements } = compiled.ruleset.ip!.maps.get(map)!;
          const isolated = [...elements].flatMap(([address, { kind }]) =>
            kind === 'jump' && address !== catchAll ? [address] : [],
          );
          assert.equal(isolated.length, neighbours + 2);
          for (const { address } of [way.from, way.to]) assert.ok(isolated.includes(address));
        }
      });

      it('allow the measured packets by the intended kind of lookup', () => {
        for (const [what, { port, protocol, set }] of Object.entries(kinds)) {
          for (const packet of conversation(way, protocol, port)) {
            const result = traceIn(compiled, packet);
            assert.equal(result.verdict, 'accept', what);
            assert.deepEqual(setsOf(result, compiled), [set, set], what);
          }
        }
      });

      it('add no rules to the path of a packet beyond ten policies', () => {
        const few = compileNode(policyObjects(counts[0]), defaults, 'routed');
        for (const port of Object.values(ports).filter((each) => each !== ports.forbidden)) {
          const [many, expected] = [compiled, few].map((each) =>
            conversation(way, 'udp', port).map((packet) => traceIn(each, packet).path.map(({ rule }) => rule)),
          );
          assert.deepEqual(many, expected);
        }
        const places = conversation(way, 'udp', ports.lastGroup).map((packet) =>
          classSteps(traceIn(compiled, packet)).map(({ rule }) => rule),
        );
        // By the port, the second rule of the class, to the third group, at both ends.
        assert.deepEqual(
          places,
          Array.from({ length: 3 }, () => [1, 2, 1, 2]),
        );
      });

      it('deny the packets that must not arrive, and none between pods that they do not select', () => {
        for (const packet of conversation(way, 'udp', ports.forbidden))
          assert.equal(verdictOf(compiled.ruleset, packet), 'drop');
        for (const port of [ports.tuple, ports.forbidden])
          for (const packet of conversation(openWay, 'udp', port))
            assert.equal(verdictOf(compiled.ruleset, packet), 'accept');
      });
    });
  }

  it('give the same verdicts without gate and guard, and on a bridge', () => {
    for (const layout of ['routed', 'bridged'] as const) {
      const { ruleset } = compileNode(policyObjects(10), policiesAlone, layout);
      for (const { chains } of routedTables(ruleset)) assert.ok(!chains.has('anti-spoof') && !chains.has('gate'));
      assert.ok(!ruleset.bridge);
      const verdict = (port: number) => conversation(way, 'udp', port).map((packet) => verdictOf(ruleset, packet));
      assert.deepEqual(verdict(ports.tuple), ['accept', 'accept', 'accept']);
      assert.deepEqual(verdict(ports.forbidden), ['drop', 'drop', 'drop']);
    }
  });
});

describe('policies of the packet benches in IPv6', () => {
  it('have the same addresses as in IPv4, in the last 32 bits', () => {
    assert.deepEqual(
      ['10.99.0.2', '10.99.0.0/24', 'app-1', '10.99'].map((text) => inFamily('ipv6', text)),
      ['fd00::a63:2', 'fd00::a63:0/120', 'app-1', '10.99'],
    );
    assert.equal(inFamily('ipv4', '10.99.0.2'), '10.99.0.2');
  });

  it('allow and deny the same packets, also to a pod of another node', () => {
    const ruleset = compileNode(policyObjects(10), defaults, 'routed', 'ipv6').ruleset.ip6!;
    for (const on of [way, remoteWay]) {
      for (const { port, protocol } of Object.values(kinds)) {
        if (on === remoteWay && port !== ports.tuple) continue;
        for (const packet of conversation(on, protocol, port))
          assert.equal(trace(ruleset, inIpv6(packet)).verdict, 'accept');
      }
      for (const packet of conversation(on, 'udp', ports.forbidden))
        assert.equal(trace(ruleset, inIpv6(packet)).verdict, 'drop');
    }
  });
});

function inIpv6(packet: Packet): Packet {
  const { source, destination } = packet;
  return { ...packet, family: 'ipv6', source: inFamily('ipv6', source), destination: inFamily('ipv6', destination) };
}

/** The first packet, a later one, and an answer. */
function conversation({ from, to }: Way, protocol: 'udp' | 'tcp', port: number): Packet[] {
  const first: Packet = {
    hook: 'forward',
    family: 'ipv4',
    inInterface: from.device,
    outInterface: to.device,
    inKind: 'veth',
    outKind: 'veth',
    source: from.address,
    destination: to.address,
    protocol,
    sourcePort: 40_000,
    destinationPort: port,
    ctState: 'new',
    direction: 'original',
    hopLimit: 63,
    ...(protocol === 'tcp' && { tcpSyn: true }),
  };
  const { tcpSyn: _, ...rest } = first;
  const later: Packet = { ...rest, ctState: 'established', ...(protocol === 'tcp' && { tcpSyn: false }) };
  const answer: Packet = {
    ...later,
    direction: 'reply',
    inInterface: to.device,
    outInterface: from.device,
    source: to.address,
    destination: from.address,
    sourcePort: port,
    destinationPort: 40_000,
  };
  return [first, later, answer];
}

/** In the table that all of these packets meet. */
function traceIn({ ruleset }: Compiled, packet: Packet): Trace {
  return trace(ruleset.ip!, packet);
}

function classSteps({ path }: Trace): Trace['path'] {
  return path.filter(({ chain }) => /^(in|e)gress-.{26}(-r)?$/.test(chain));
}

/** The last lookups of the classes, or of the chains of the port. */
function setsOf(result: Trace, { ruleset }: Compiled): string[] {
  return classSteps(result).flatMap(({ chain, rule }) => {
    const [match] = ruleset.ip!.chains.get(chain)!.rules[rule]!.matches;
    return match?.kind === 'lookup' ? match.set.split('-')[0]! : [];
  });
}
