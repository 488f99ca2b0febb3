import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { trace, type Trace } from '../../src/nftables/trace.ts';
import { planStages } from '../../src/plan/plan.ts';
import { checkPacket, generationsOf } from '../support/every-moment.ts';
import { node, pod, sandbox } from '../support/objects.ts';
import { startPipeline, upsertOf } from '../support/pipeline.ts';
import { routedTables, tableOfPacket, verdictOf } from '../support/routed.ts';
import { guardedNode } from './guarded-node.ts';

const link = (name: string) => ({ device: `veth-${name}` });
const guarded = guardedNode(link, { gate: false });
const unguarded = guardedNode(link, { gate: false, guard: false });

const udp: Packet = {
  hook: 'forward',
  family: 'ipv4',
  inInterface: 'veth-free',
  source: '10.1.0.2',
  destination: '203.0.113.5',
  protocol: 'udp',
  sourcePort: 40_000,
  destinationPort: 53,
  ctState: 'new',
  direction: 'original',
  hopLimit: 64,
};
const udp6: Packet = { ...udp, family: 'ipv6', source: 'fd01::2', destination: '2001:db8::5' };

/** To the node, where link-local packets go. */
const { sourcePort: _, destinationPort: __, ...portless } = udp6;
const local: Packet = { ...portless, hook: 'input', protocol: 'icmpv6', source: 'fe80::2', destination: 'ff02::1' };
const control = (icmpType: number, hopLimit: number): Packet => ({ ...local, icmpType, hopLimit });
const igmp: Packet = {
  ...local,
  family: 'ipv4',
  source: '0.0.0.0',
  destination: '224.0.0.22',
  protocol: '2',
  hopLimit: 1,
};
const dhcp: Packet = {
  ...udp,
  hook: 'input',
  source: '0.0.0.0',
  destination: '255.255.255.255',
  sourcePort: 68,
  destinationPort: 67,
};
const dhcp6: Packet = {
  ...udp6,
  hook: 'input',
  source: 'fe80::2',
  destination: 'ff02::1:2',
  sourcePort: 546,
  destinationPort: 547,
};
const closed = { inInterface: 'veth-closed' } as const;
const reply = { ctState: 'established', direction: 'reply' } as const;

type Case = readonly [what: string, packet: Packet, verdict: 'accept' | 'drop', withoutGuard: Trace['verdict']];

/** Of a connection of an isolated pod, picked up: it would be reset. */
const midstream = { ...udp, source: '10.1.0.3', protocol: 'tcp', tcpSyn: false } as const;

const own: readonly Case[] = [
  ['its own address', udp, 'accept', 'accept'],
  ['its own address, IPv6', udp6, 'accept', 'accept'],
  ['its own address, to the node', { ...udp, hook: 'input' }, 'accept', 'accept'],
  ['its own address, as a reply', { ...udp, ...reply }, 'accept', 'accept'],
  ['its own address, to a group', { ...udp, hook: 'input', destination: '224.0.0.251' }, 'accept', 'accept'],
  ['its own address, where its policies deny', { ...udp, ...closed, source: '10.1.0.3' }, 'drop', 'drop'],
];

const forged: readonly Case[] = [
  ["another pod's address", { ...udp, source: '10.1.0.4' }, 'drop', 'accept'],
  ["another pod's address, IPv6", { ...udp6, source: 'fd01::4' }, 'drop', 'accept'],
  ["another pod's address, to the node", { ...udp, source: '10.1.0.4', hook: 'input' }, 'drop', 'accept'],
  ["another pod's address, by an isolated pod", { ...udp, ...closed }, 'drop', 'accept'],
  ["another pod's address, as a reply", { ...udp, source: '10.9.0.2', ...reply }, 'drop', 'accept'],
  ["another pod's address, untracked", { ...udp, source: '10.1.0.4', ctState: 'untracked' }, 'drop', 'accept'],
  ["its node's address", { ...udp, source: '192.0.2.1' }, 'drop', 'accept'],
  ['an address of no pod', { ...udp, source: '10.1.0.77' }, 'drop', 'accept'],
  ['an outside address', { ...udp, source: '203.0.113.9' }, 'drop', 'accept'],
  ['an outside address, IPv6', { ...udp6, source: '2001:db8::9' }, 'drop', 'accept'],
  ['loopback', { ...udp, source: '127.0.0.1' }, 'drop', 'accept'],
  ['the unspecified address', { ...udp, source: '0.0.0.0' }, 'drop', 'accept'],
  ['the unspecified address, IPv6', { ...udp6, source: '::' }, 'drop', 'accept'],
  [
    'its own address, by another pod that nobody knows',
    { ...udp, inInterface: 'veth-new', inKind: 'veth' },
    'drop',
    'accept',
  ],
  ["another pod's connection in mid-stream", midstream, 'drop', 'reset'],
  ["another pod's connection in mid-stream, to the node", { ...midstream, hook: 'input' }, 'drop', 'reset'],
  [
    "another pod's connection in mid-stream, IPv6",
    { ...midstream, family: 'ipv6', source: 'fd01::3', destination: '2001:db8::5' },
    'drop',
    'reset',
  ],
  [
    'a related error with a foreign source',
    { ...udp, source: '10.1.0.4', protocol: 'icmp', icmpType: 3, ctState: 'related' },
    'drop',
    'accept',
  ],
];

const control4: readonly Case[] = [
  ['DHCP', dhcp, 'accept', 'accept'],
  ['DHCP to one host', { ...dhcp, destination: '10.1.0.1' }, 'drop', 'accept'],
  ['DHCP as a server', { ...dhcp, sourcePort: 67, destinationPort: 68 }, 'drop', 'accept'],
  ['IGMP without an address', igmp, 'accept', 'accept'],
  ['IGMP that goes further', { ...igmp, hopLimit: 2 }, 'drop', 'accept'],
  ["IGMP with another's address", { ...igmp, source: '10.1.0.4' }, 'drop', 'accept'],
];

const control6: readonly Case[] = [
  ...[133, 134, 135, 136, 137].map((type): Case => [
    `neighbour discovery ${type}`,
    control(type, 255),
    'accept',
    'accept',
  ]),
  ['neighbour discovery without an address', { ...control(135, 255), source: '::' }, 'accept', 'accept'],
  ["neighbour discovery with another's address", { ...control(136, 255), source: 'fd01::4' }, 'drop', 'accept'],
  ...[130, 131, 132, 143].map((type): Case => [`listener discovery ${type}`, control(type, 1), 'accept', 'accept']),
  ['listener discovery without an address', { ...control(143, 1), source: '::' }, 'accept', 'accept'],
  ['DHCPv6', dhcp6, 'accept', 'accept'],
];

const linkLocal: readonly Case[] = [
  ['a ping from link-local', control(128, 64), 'accept', 'accept'],
  ['UDP from link-local', { ...udp6, hook: 'input', source: 'fe80::2', destination: 'fe80::1' }, 'accept', 'accept'],
  ['a ping from link-local, egress isolated', { ...control(128, 64), ...closed }, 'drop', 'accept'],
  [
    'UDP, egress isolated',
    { ...udp6, ...closed, hook: 'input', source: 'fe80::3', destination: 'fe80::1' },
    'drop',
    'accept',
  ],
  [
    'UDP as a reply, egress isolated',
    { ...udp6, ...closed, ...reply, hook: 'input', source: 'fe80::3', destination: 'fe80::1' },
    'drop',
    'accept',
  ],
  [
    'UDP, ingress isolated',
    { ...udp6, inInterface: 'veth-picky', hook: 'input', source: 'fe80::4', destination: 'fe80::1' },
    'accept',
    'accept',
  ],
  [
    'UDP, of an unknown pod',
    { ...udp6, inInterface: 'veth-unknown', hook: 'input', source: 'fe80::5', destination: 'fe80::1' },
    'drop',
    'accept',
  ],
  ...[control(135, 255), control(143, 1), dhcp6].map((packet, i): Case => [
    `control ${i}, egress isolated`,
    { ...packet, ...closed },
    'accept',
    'accept',
  ]),
  ['neighbour discovery from afar, egress isolated', { ...control(135, 254), ...closed }, 'drop', 'accept'],
  [
    'listener discovery to one host, egress isolated',
    { ...control(143, 1), ...closed, destination: 'fe80::1' },
    'drop',
    'accept',
  ],
];

const others: readonly Case[] = [
  [
    "a pod's address by what is no pod's device",
    { ...udp, inInterface: 'geneve0', inKind: 'geneve' },
    'accept',
    'accept',
  ],
  [
    'to a pod',
    {
      ...udp,
      inInterface: 'eth0',
      source: '203.0.113.5',
      destination: '10.1.0.2',
      outInterface: 'veth-free',
      outKind: 'veth',
    },
    'accept',
    'accept',
  ],
  [
    'to a pod, by a device that nobody knows',
    {
      ...udp,
      inInterface: 'eth0',
      source: '203.0.113.5',
      destination: '10.1.0.2',
      outInterface: 'veth-new',
      outKind: 'veth',
    },
    'drop',
    'accept',
  ],
  [
    'to a pod, by a device that nobody knows, IPv6',
    {
      ...udp6,
      inInterface: 'eth0',
      source: '2001:db8::5',
      destination: 'fd01::2',
      outInterface: 'veth-new',
      outKind: 'veth',
    },
    'drop',
    'accept',
  ],
  [
    "to a pod, by what is no pod's device",
    {
      ...udp,
      inInterface: 'eth0',
      source: '203.0.113.5',
      destination: '10.1.0.2',
      outInterface: 'geneve0',
      outKind: 'geneve',
    },
    'accept',
    'accept',
  ],
  [
    'to a pod whose link is not known',
    { ...udp, destination: '10.9.0.2', outInterface: 'veth-x', outKind: 'veth' },
    'accept',
    'accept',
  ],

  [
    'what comes from outside',
    { ...udp, inInterface: 'eth0', source: '203.0.113.5', destination: '10.1.0.2' },
    'accept',
    'accept',
  ],
  ['a pod whose link is not known', { ...udp, inInterface: 'veth-x', source: '10.9.0.2' }, 'accept', 'accept'],
  [
    'the node itself, any source',
    { ...udp, hook: 'output', source: '10.1.0.2', destination: '10.1.0.3' },
    'accept',
    'accept',
  ],
  ['a known sandbox of an unknown pod', { ...udp, inInterface: 'veth-unknown', source: '10.1.0.5' }, 'drop', 'drop'],
];

describe("the guard of pods' own devices (S1.15, S1.16)", () => {
  for (const [name, cases] of Object.entries({ own, forged, control4, control6, linkLocal, others })) {
    describe(name, () => {
      for (const [what, packet, verdict, withoutGuard] of cases) {
        it(`${what}: ${verdict}`, () => assert.equal(verdictOf(guarded, packet), verdict));
        it(`${what}, without the guard: ${withoutGuard}`, () =>
          assert.equal(verdictOf(unguarded, packet), withoutGuard));
      }
    });
  }

  it('is nothing at all where it is off, or where no link is known', () => {
    const names = routedTables(unguarded).flatMap(({ chains, sets }) => [...chains.keys(), ...sets.keys()]);
    assert.deepEqual(
      names.filter((name) => /guard|sources|link|owner/.test(name)),
      [],
    );
    assert.equal(unguarded.bridge, undefined);
    assert.equal(guarded.bridge, undefined);
  });
});

describe('the guard while a device comes or goes (S7.3)', () => {
  const staying = { ips: ['10.1.0.2'] };
  const moving = { ips: ['10.1.0.9', 'fd01::9'] };
  const links = { routed: link('new'), bridged: { device: 'cni0', port: 'veth-new' } };
  const stayingLinks = { routed: link('free'), bridged: { device: 'cni0', port: 'veth-free' } };

  for (const layout of ['routed', 'bridged'] as const) {
    const nodeWith = (isThere: boolean): Ruleset => {
      const pipeline = startPipeline('n1', [node('n1', '192.0.2.1'), pod('x/free', staying)], { gate: false });
      pipeline.receive(sandbox('x/free', { ...staying, link: stayingLinks[layout] }));
      if (isThere) {
        pipeline.receive(upsertOf(pod('x/new', moving)));
        pipeline.receive(sandbox('x/new', { ...moving, link: links[layout] }));
      }
      return pipeline.plan(undefined).compiled.ruleset;
    };
    const own = { inInterface: 'veth-new', outInterface: 'veth-new', inKind: 'veth', outKind: 'veth' };
    const packets = [udp, udp6].flatMap((packet, family) => {
      const [mine, other] = [moving.ips[family]!, packet.destination];
      const hooks =
        layout === 'routed' ? (['forward', 'input'] as const) : (['prerouting', 'forward', 'output'] as const);
      return hooks.flatMap((hook): Packet[] => [
        { ...packet, ...own, hook, source: mine, destination: other, outInterface: 'eth0', outKind: 'device' },
        { ...packet, ...own, hook, source: other, destination: mine, inInterface: 'eth0', inKind: 'device' },
      ]);
    });
    for (const [what, before, after] of [
      ['comes', nodeWith(false), nodeWith(true)],
      ['goes', nodeWith(true), nodeWith(false)],
    ] as const) {
      it(`${layout}, what is its own passes while it ${what}`, () => {
        const generations = generationsOf(before, planStages(after, before));
        for (const packet of packets) {
          const tables = generations.map((each) => (layout === 'routed' ? tableOfPacket(each, packet) : each.bridge!));
          assert.equal(trace(tables[0]!, packet).verdict, 'accept', JSON.stringify(packet));
          assert.equal(checkPacket(packet, tables), false);
        }
      });
    }
  }
});
