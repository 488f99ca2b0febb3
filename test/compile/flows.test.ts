import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { FlowMemory } from '../../src/nftables/flight.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { traceInFlight, type Trace } from '../../src/nftables/trace.ts';
import { families } from '../../src/model/address.ts';
import { tableOfPacket } from '../support/routed.ts';
import { guardedNode } from './guarded-node.ts';

const ruleset = guardedNode((name) => ({ device: `veth-${name}` }), { fastPath: true });
const ends = {
  ipv4: { source: '10.1.0.2', destination: '10.1.0.4' },
  ipv6: { source: 'fd01::2', destination: 'fd01::4' },
};

/** Packets of one after another, which find what those before have added to the flow sets. */
function send(...packets: readonly Packet[]): Trace[] {
  const memory: FlowMemory = new Map();
  return packets.map((packet) =>
    traceInFlight({ generations: [tableOfPacket(ruleset, packet)], generationAt: () => 0, memory }, packet),
  );
}

/** Whether the packet passed by a flow set, or by the rules. */
function waysOf(...packets: readonly Packet[]): string[] {
  return send(...packets).map(({ verdict, path }) => {
    const last = path.at(-1)!;
    const isFast = verdict === 'accept' && last.verdict.kind === 'accept';
    return isFast ? 'fast' : verdict === 'accept' ? 'rules' : verdict;
  });
}

for (const family of families) {
  const request: Packet = {
    hook: 'forward',
    family,
    ...ends[family],
    inInterface: 'veth-free',
    outInterface: 'veth-picky',
    inKind: 'veth',
    outKind: 'veth',
    protocol: 'udp',
    sourcePort: 40_000,
    destinationPort: 5353,
    ctState: 'established',
    direction: 'original',
  };
  const reply: Packet = {
    ...request,
    source: request.destination,
    destination: request.source,
    inInterface: 'veth-picky',
    outInterface: 'veth-free',
    sourcePort: 5353,
    destinationPort: 40_000,
    direction: 'reply',
  };

  describe(`the fast path, ${family}`, () => {
    it('passes the second packet of a flow, in each direction, and those of other clients of the same pod', () => {
      assert.deepEqual(waysOf(request, request, reply, reply), ['rules', 'fast', 'rules', 'fast']);
      assert.deepEqual(waysOf(request, { ...request, sourcePort: 40_001, ctState: 'new' }), ['rules', 'fast']);
    });

    const others: Readonly<Record<string, Partial<Packet>>> = {
      'another port': { destinationPort: 5354 },
      'another protocol': { protocol: 'tcp' },
      'another source': { source: family === 'ipv4' ? '10.1.0.3' : 'fd01::3' },
      'another destination': { destination: family === 'ipv4' ? '10.1.0.3' : 'fd01::3' },
      'another input device': { inInterface: 'eth0', inKind: 'other' },
      'another output device': { outInterface: 'veth-closed' },
    };
    for (const [what, other] of Object.entries(others)) {
      it(`passes no packet with ${what} that the rules would deny`, () => {
        assert.deepEqual(waysOf(request, reply, { ...request, ...other }), ['rules', 'rules', 'drop']);
      });
    }

    it('passes no reply by what passed in the original direction', () => {
      const opening: Packet = { ...reply, direction: 'original', sourcePort: 40_000, destinationPort: 5354 };
      const answer: Packet = { ...reply, sourcePort: 5354 };
      assert.deepEqual(waysOf(opening, opening, answer), ['rules', 'fast', 'drop']);
    });

    it('knows no packets of other protocols, and no fragment', () => {
      const picky = { ...request, ...reply, direction: 'original' as const };
      const { sourcePort: _, destinationPort: __, ...fragment } = picky;
      for (const each of [{ ...picky, protocol: 'sctp', sctpInit: false }, { ...fragment, protocol: '47' }, fragment]) {
        assert.deepEqual(waysOf(each, each), ['rules', 'rules']);
      }
    });

    it('knows no packet whose connection does not stand, but UDP', () => {
      const opening: Packet = { ...reply, direction: 'original', ctState: 'new', protocol: 'tcp', tcpSyn: true };
      assert.deepEqual(waysOf(opening, opening), ['rules', 'rules']);
      assert.deepEqual(waysOf({ ...opening, protocol: 'udp' }, { ...opening, protocol: 'udp' }), ['rules', 'fast']);
      assert.deepEqual(waysOf({ ...opening, ctState: 'invalid' }, { ...opening, ctState: 'invalid' }), [
        'rules',
        'rules',
      ]);
    });

    it('knows no reply to another node, whose other port decides too (S1.18)', () => {
      const toNode: Packet = {
        ...reply,
        source: request.source,
        destination: family === 'ipv4' ? '192.0.2.2' : '2001:db8:1::2',
        inInterface: 'veth-free',
        outInterface: 'eth0',
        outKind: 'other',
      };
      assert.deepEqual(waysOf(toNode, toNode, { ...toNode, destinationPort: 4789 }), ['rules', 'rules', 'drop']);
      const tcp: Packet = { ...toNode, protocol: 'tcp' };
      assert.deepEqual(waysOf(tcp, tcp), ['rules', 'fast']);
      const opening: Packet = { ...toNode, direction: 'original' };
      assert.deepEqual(waysOf(opening, opening, { ...opening, destinationPort: 4789 }), ['rules', 'fast', 'drop']);
    });

    it('knows no source of link control, whose other ports decide too (S5.8)', () => {
      const [ports, sources, destination] =
        family === 'ipv4' ? [[68, 67], ['0.0.0.0'], '255.255.255.255'] : [[546, 547], ['::', 'fe80::1'], 'ff02::1:2'];
      for (const source of sources) {
        const dhcp: Packet = {
          ...request,
          source,
          destination,
          inInterface: 'veth-closed',
          outInterface: 'eth0',
          outKind: 'other',
          sourcePort: ports[0]!,
          destinationPort: ports[1]!,
        };
        assert.deepEqual(waysOf(dhcp, dhcp, { ...dhcp, sourcePort: 1234 }).slice(2), ['drop']);
      }
    });
  });
}
