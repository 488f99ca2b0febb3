import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Connection, Packet } from '../../src/nftables/packet.ts';
import { pod, policy } from '../support/objects.ts';
import { compileNode } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';

/** Both ways closed: whatever passes, passes by the chains that every node has. */
const closed = '10.1.0.1';
const closed6 = 'fd01::1';
const ruleset = compileNode('n1', [
  pod('x/closed', { ips: [closed, closed6], labels: { app: 'closed' } }),
  pod('x/free', { ips: ['10.1.0.2', 'fd01::2'] }),
  pod('x/busy', { ips: ['10.1.0.3', 'fd01::3'], labels: { app: 'busy' } }),
  policy('x/busy', {
    podSelector: { matchLabels: { app: 'busy' } },
    policyTypes: ['Ingress', 'Egress'],
    egress: [{ ports: [{ port: 80 }] }],
    ingress: [{ ports: [{ protocol: 'UDP', port: 53 }] }],
  }),
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

describe('an isolated pod: errors about its connections (S5.3, S5.19)', () => {
  /** `busy` may open HTTP to anyone, and gets DNS from anyone. */
  const [busy, busy6] = ['10.1.0.3', 'fd01::3'];
  const http = { protocol: 'tcp', destinationPort: 80 } as const;
  const dns = { protocol: 'udp', destinationPort: 53 } as const;
  const error = (packet: Packet, icmpType: number, connection: Connection): Packet => {
    return { ...packet, ctState: 'related', icmpType, length: 100, connection };
  };
  const to = (packet: Packet, destination: string): Packet => ({ ...packet, destination });
  const from = (packet: Packet, source: string): Packet => ({ ...packet, source, destination: peer });
  const sent = error(to(icmp, busy), 3, { source: busy, destination: peer, ...http });
  const sent6 = error(to(icmp6, busy6), 2, { source: busy6, destination: peer6, ...http });
  const got = error(from(icmp, busy), 3, { source: peer, destination: busy, ...dns });
  const revoked = error(to(icmp, busy), 3, { source: busy, destination: peer, ...http, destinationPort: 81 });
  const revoked6 = error(to(icmp6, busy6), 2, { source: busy6, destination: peer6, ...dns });
  const ofNode = { source: '192.0.2.1', destination: closed, ...http };
  check([
    ...[3, 11, 12].map((icmpType): Case => [
      `ICMP ${icmpType}, about what it may open`,
      { ...sent, icmpType },
      'accept',
    ]),
    ...[1, 2, 3, 4].map((icmpType): Case => [`ICMPv6 ${icmpType}, about that`, { ...sent6, icmpType }, 'accept']),
    ['about what it may get', got, 'accept'],
    ['about what it may get, from a router', { ...got, source: '198.51.100.1' }, 'accept'],
    ['as long as a sender may make it', { ...sent, length: 576 }, 'accept'],
    ['longer', { ...sent, length: 577 }, 'drop'],
    ['as long as a sender may make it, IPv6', { ...sent6, length: 1280 }, 'accept'],
    ['longer, IPv6', { ...sent6, length: 1281 }, 'drop'],
    ['about what it may not open any more', revoked, 'drop'],
    ['about what it may not open any more, IPv6', revoked6, 'drop'],
    [
      'about what it may not get any more',
      error(from(icmp, busy), 3, { source: peer, destination: busy, ...http }),
      'drop',
    ],
    [
      'from a pod that may open nothing',
      error(from(icmp, closed), 3, { source: closed, destination: peer, ...http }),
      'drop',
    ],
    ['to a pod that may get nothing', error(icmp, 3, { source: peer, destination: closed, ...http }), 'drop'],
    ['about what the node has opened to a pod', { ...error(from(icmp, closed), 3, ofNode), hook: 'input' }, 'accept'],
    [
      'about what a pod may not open to the node',
      { ...revoked, source: busy, destination: '192.0.2.1', hook: 'input' },
      'drop',
    ],
    [
      'about what a pod may open to the node',
      { ...sent, source: busy, destination: '192.0.2.1', hook: 'input' },
      'accept',
    ],
    ['a related redirect', { ...sent, icmpType: 5 }, 'drop'],
    ['a related echo', { ...sent, icmpType: 8 }, 'drop'],
    ['an error about nothing', { ...icmp, icmpType: 3 }, 'drop'],
    ['an invalid error', { ...icmp, icmpType: 3, ctState: 'invalid', direction: undefined }, 'drop'],
    ['a related connection of a helper', { ...tcp, ctState: 'related' }, 'drop'],
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
