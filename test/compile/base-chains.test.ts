import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Packet } from '../../src/nftables/packet.ts';
import { pod, policy } from '../support/objects.ts';
import { compileNode } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';

/** Both ways closed: whatever passes, passes by the chains that every node has. */
const closed = '10.1.0.1';
const closed6 = 'fd01::1';
const ruleset = compileNode('n1', [
  pod('x/closed', { ips: [closed, closed6], labels: { app: 'closed' } }),
  pod('x/free', { ips: ['10.1.0.2', 'fd01::2'] }),
  policy('x/deny', { podSelector: { matchLabels: { app: 'closed' } }, policyTypes: ['Ingress', 'Egress'] }),
]);

const peer = '203.0.113.5';
const peer6 = '2001:db8::5';

const tcp: Packet = {
  hook: 'forward',
  family: 'ipv4',
  source: peer,
  destination: closed,
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
  ctState: 'new',
  direction: 'original',
  tcpSyn: true,
  hopLimit: 64,
};
const { sourcePort: _, destinationPort: __, tcpSyn: ___, ...portless } = tcp;
const icmp: Packet = { ...portless, protocol: 'icmp', icmpType: 8 };
const icmp6: Packet = {
  ...portless,
  family: 'ipv6',
  source: peer6,
  destination: closed6,
  protocol: 'icmpv6',
  icmpType: 128,
};

type Case = readonly [what: string, packet: Packet, verdict: 'accept' | 'drop' | 'reset'];

function check(cases: readonly Case[]): void {
  for (const [what, packet, verdict] of cases) {
    it(`${what}: ${verdict}`, () => assert.equal(verdictOf(ruleset, packet), verdict));
  }
}

describe('an isolated pod: link control (S5.8)', () => {
  const nd = (icmpType: number, hopLimit = 255): Packet => ({ ...icmp6, icmpType, hopLimit });
  const mld = (icmpType: number, changes: Partial<Packet> = {}): Packet => ({
    ...icmp6,
    source: closed6,
    destination: 'ff02::16',
    icmpType,
    hopLimit: 1,
    ...changes,
  });
  const igmp: Packet = { ...portless, source: closed, destination: '224.0.0.22', protocol: '2', hopLimit: 1 };
  check([
    ...[133, 134, 135, 136, 137].map((type): Case => [`neighbour discovery ${type}`, nd(type), 'accept']),
    ['neighbour discovery that has been routed', nd(135, 254), 'drop'],
    ['neighbour discovery, invalid', { ...nd(135), ctState: 'invalid', direction: undefined }, 'accept'],
    ['neighbour discovery, untracked', { ...nd(136), ctState: 'untracked', direction: undefined }, 'accept'],
    ['a type next to neighbour discovery', nd(138), 'drop'],
    ...[130, 131, 132, 143].map((type): Case => [`listener discovery ${type}`, mld(type), 'accept']),
    ['listener discovery to one host', mld(143, { destination: peer6 }), 'drop'],
    ['listener discovery that goes further', mld(143, { hopLimit: 2 }), 'drop'],
    ['IGMP', igmp, 'accept'],
    ['IGMP to one host', { ...igmp, destination: peer }, 'drop'],
    ['IGMP that goes further', { ...igmp, hopLimit: 2 }, 'drop'],
    ['other multicast', { ...igmp, protocol: 'udp', sourcePort: 5353, destinationPort: 5353 }, 'drop'],
  ]);
});

describe('an isolated pod: errors about its connections (S5.3)', () => {
  const about = (packet: Packet, icmpType: number): Packet => ({ ...packet, ctState: 'related', icmpType });
  check([
    ...[3, 11, 12].map((type): Case => [`related ICMP ${type}`, about(icmp, type), 'accept']),
    ...[1, 2, 3, 4].map((type): Case => [`related ICMPv6 ${type}`, about(icmp6, type), 'accept']),
    ['a related redirect', about(icmp, 5), 'drop'],
    ['a related echo', about(icmp, 8), 'drop'],
    ['an error about nothing', { ...icmp, icmpType: 3 }, 'drop'],
    ['an invalid error', { ...icmp, icmpType: 3, ctState: 'invalid', direction: undefined }, 'drop'],
    ['a related connection of a helper', { ...tcp, ctState: 'related' }, 'drop'],
    ['related errors from the pod', about({ ...icmp6, source: closed6, destination: peer6 }, 1), 'accept'],
  ]);
});

describe('an isolated pod: connections without a known beginning (S5.10, S5.18)', () => {
  const midstream: Packet = { ...tcp, tcpSyn: false };
  const sctp: Packet = { ...tcp, protocol: 'sctp', sctpInit: false };
  const outgoing = { source: closed, destination: peer };
  const six = { family: 'ipv6', source: peer6, destination: closed6 } as const;
  check([
    ['TCP in mid-stream, to it', midstream, 'reset'],
    ['TCP in mid-stream, from it', { ...midstream, ...outgoing }, 'reset'],
    ['TCP in mid-stream, IPv6', { ...midstream, ...six }, 'reset'],
    ['TCP in mid-stream, from it to its own node', { ...midstream, ...outgoing, hook: 'input' }, 'reset'],
    ['TCP in mid-stream, from the node itself', { ...midstream, hook: 'output' }, 'reset'],
    ['TCP in mid-stream, from the node itself, IPv6', { ...midstream, ...six, hook: 'output' }, 'reset'],
    ['SCTP in mid-stream', sctp, 'drop'],
    ['SCTP in mid-stream, from the node itself', { ...sctp, hook: 'output' }, 'drop'],
    ['SCTP that begins, from the node itself', { ...sctp, sctpInit: true, hook: 'output' }, 'accept'],
    ['what conntrack calls invalid', { ...tcp, ctState: 'invalid', direction: undefined }, 'drop'],
    ['what is not tracked', { ...tcp, ctState: 'untracked', direction: undefined }, 'drop'],
    ['TCP that goes on, established', { ...midstream, ctState: 'established' }, 'drop'],
  ]);
});

describe('an isolated pod: its own node (S5.1, S5.2, S5.7) and itself (S5.5)', () => {
  const reply = { ctState: 'established', direction: 'reply', tcpSyn: false } as const;
  check([
    ['what the node sends', { ...tcp, source: '192.0.2.1', hook: 'output' }, 'accept'],
    ['the answer to it', { ...tcp, source: closed, destination: '192.0.2.1', hook: 'input', ...reply }, 'accept'],
    ['what the pod sends to the node', { ...tcp, source: closed, destination: '192.0.2.1', hook: 'input' }, 'drop'],
    ['a ping to the node', { ...icmp6, source: closed6, destination: 'fd00::1', hook: 'input' }, 'drop'],
    ["the node's answer to it", { ...tcp, source: '192.0.2.1', hook: 'output', ...reply }, 'accept'],
    ['itself', { ...tcp, source: closed }, 'accept'],
    ['itself, IPv6, any protocol', { ...icmp6, source: closed6 }, 'accept'],
    ['itself, replies', { ...tcp, source: closed, ...reply }, 'accept'],
    ['another pod', { ...tcp, source: '10.1.0.2' }, 'drop'],
  ]);
});

describe('what touches no isolated pod (S5.9, S5.10)', () => {
  const free = { source: '10.1.0.2', destination: peer };
  const untouched: Packet[] = [
    { ...tcp, ...free },
    { ...tcp, ...free, tcpSyn: false },
    { ...tcp, ...free, ctState: 'invalid', direction: undefined },
    { ...tcp, source: peer, destination: '10.1.0.2' },
    { ...icmp, source: peer, destination: '198.51.100.1' },
    { ...icmp6, source: 'fd01::2', destination: peer6 },
  ];
  check(
    untouched.flatMap((packet, index) =>
      (['forward', 'input', 'output'] as const).map((hook): Case => [
        `packet ${index} at ${hook}`,
        { ...packet, hook },
        'accept',
      ]),
    ),
  );
});
