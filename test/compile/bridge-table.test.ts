import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Packet } from '../../src/nftables/packet.ts';
import { trace } from '../../src/nftables/trace.ts';
import { pod, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { routedTables } from '../support/routed.ts';
import { guardedNode } from './guarded-node.ts';

const link = (name: string) => ({ device: 'cni0', port: `veth-${name}` });
const macs: Readonly<Record<string, string>> = { free: '02:00:00:00:00:02', closed: '02:00:00:00:00:03' };
const linkWithMac = (name: string) => ({ ...link(name), ...(macs[name] && { mac: macs[name] }) });
const { bridge } = guardedNode(link);
const { bridge: pinned } = guardedNode(linkWithMac);
const { bridge: withRouters } = guardedNode(link, { allowed: { routers: true } });

/** A frame as it comes in, and as it goes out by another port: each hook is a check of its own. */
const sent: Packet = {
  hook: 'prerouting',
  family: 'ipv4',
  inInterface: 'veth-free',
  inKind: 'veth',
  source: '10.1.0.2',
  destination: '10.1.0.3',
  protocol: 'udp',
  sourcePort: 40_000,
  destinationPort: 5353,
  ctState: 'untracked',
  hopLimit: 64,
};
const { inKind: _kind, ...kindless } = sent;
const fromUplink: Packet = { ...kindless, inInterface: 'eth0' };
const onUplink = { inInterface: 'eth0', inKind: 'vxlan' } as const;
const sent6: Packet = { ...sent, family: 'ipv6', source: 'fd01::2', destination: 'fd01::3' };
const delivered: Packet = { ...sent, hook: 'forward', outInterface: 'veth-closed', outKind: 'veth' };
const delivered6: Packet = { ...delivered, family: 'ipv6', source: 'fd01::2', destination: 'fd01::3' };
const { sourcePort: _, destinationPort: __, ...portless } = sent6;
const control: Packet = {
  ...portless,
  protocol: 'icmpv6',
  source: 'fe80::2',
  destination: 'ff02::1',
  packetType: 'multicast',
};
const discovery: Packet = { ...control, icmpType: 135, hopLimit: 255, target: 'fd01::3', length: 72 };
const answer: Packet = { ...discovery, icmpType: 136, target: 'fd01::2' };
const router: Packet = { ...discovery, icmpType: 134 };
const listener: Packet = { ...control, icmpType: 143, hopLimit: 1 };
const arp: Packet = { ...portless, family: 'arp', source: '10.1.0.2', destination: '10.1.0.3', protocol: '' };
const dhcp: Packet = {
  ...sent,
  source: '0.0.0.0',
  destination: '255.255.255.255',
  sourcePort: 68,
  destinationPort: 67,
  packetType: 'broadcast',
};
const dhcp6: Packet = {
  ...sent6,
  source: 'fe80::2',
  destination: 'ff02::1:2',
  sourcePort: 546,
  destinationPort: 547,
  packetType: 'multicast',
};
const igmp: Packet = {
  ...portless,
  family: 'ipv4',
  source: '10.1.0.2',
  destination: '224.0.0.22',
  protocol: '2',
  hopLimit: 1,
  packetType: 'multicast',
};
const group: Packet = { ...delivered, destination: '224.0.0.251', packetType: 'multicast' };
const everyone: Packet = { ...delivered, destination: '10.1.0.255', packetType: 'broadcast' };
const closed = { inInterface: 'veth-closed' } as const;
const fresh = { inInterface: 'veth-new' } as const;
const to = (packet: Packet, name: string): Packet => ({
  ...packet,
  hook: 'forward',
  outInterface: `veth-${name}`,
  outKind: 'veth',
});

type Case = readonly [what: string, packet: Packet, verdict: 'accept' | 'drop'];

const sources: readonly Case[] = [
  ['its own address', sent, 'accept'],
  ['its own address, IPv6', sent6, 'accept'],
  ['its own address, to a group', { ...sent, destination: '224.0.0.251', packetType: 'multicast' }, 'accept'],
  ["another pod's address", { ...sent, source: '10.1.0.3' }, 'drop'],
  ["another pod's address, IPv6", { ...sent6, source: 'fd01::3' }, 'drop'],
  ["its node's address", { ...sent, source: '192.0.2.1' }, 'drop'],
  ["the bridge's address", { ...sent, source: '10.1.0.1' }, 'drop'],
  ['an outside address', { ...sent, source: '203.0.113.5' }, 'drop'],
  ['an outside address, IPv6', { ...sent6, source: '2001:db8::5' }, 'drop'],
  ['the unspecified address', { ...sent, source: '0.0.0.0' }, 'drop'],
  ['the unspecified address, IPv6', { ...sent6, source: '::' }, 'drop'],
  ['the unspecified address in a broadcast', { ...dhcp, destinationPort: 69 }, 'drop'],
  ['a later fragment', { ...portless, family: 'ipv4', source: '10.1.0.2', protocol: 'udp' }, 'accept'],
  ['a later fragment, IPv6', portless, 'accept'],
  ['a fragment with a foreign source', { ...portless, family: 'ipv4', source: '10.1.0.3', protocol: 'udp' }, 'drop'],
];

const frames: readonly Case[] = [
  ['a VLAN tag, its own address', { ...sent, etherType: 'vlan' }, 'drop'],
  ['a VLAN tag, its own address, IPv6', { ...sent6, etherType: 'vlan' }, 'drop'],
  ['a VLAN tag, neighbour discovery', { ...discovery, etherType: 'vlan' }, 'drop'],
  ['a raw frame', { ...sent, etherType: '0x88b5' }, 'drop'],
  ['ARP, its own address', arp, 'accept'],
  ['ARP, a probe for its own address', { ...arp, source: '0.0.0.0', destination: '10.1.0.2' }, 'accept'],
  ["ARP, a probe for another pod's address", { ...arp, source: '0.0.0.0' }, 'drop'],
  ["ARP, another pod's address", { ...arp, source: '10.1.0.3' }, 'drop'],
  ['ARP with as much behind it as a short frame has room for', { ...arp, length: 46 }, 'accept'],
  ['ARP with more behind it', { ...arp, length: 47 }, 'drop'],
  ["ARP, the bridge's address", { ...arp, source: '10.1.0.1' }, 'drop'],
];

const linkControl: readonly Case[] = [
  ['neighbour discovery', discovery, 'accept'],
  ['a probe for its own address', { ...discovery, source: '::', target: 'fd01::2' }, 'accept'],
  ['a probe for its link-local address', { ...discovery, source: '::', target: 'fe80::2' }, 'accept'],
  ["a probe for another pod's address", { ...discovery, source: '::' }, 'drop'],
  ['neighbour discovery, egress isolated', { ...discovery, ...closed }, 'accept'],
  ['neighbour discovery from afar, egress isolated', { ...discovery, ...closed, hopLimit: 254 }, 'drop'],
  ["neighbour discovery with another's address", { ...discovery, source: 'fd01::3' }, 'drop'],
  ['an answer about its own address', answer, 'accept'],
  ['an answer about its own address, from it', { ...answer, source: 'fd01::2' }, 'accept'],
  ["an answer about another's address", { ...answer, target: 'fd01::3' }, 'drop'],
  ["an answer about another's address, from its own", { ...answer, source: 'fd01::2', target: 'fd01::3' }, 'drop'],
  ["an answer about its router's address", { ...answer, target: 'fd01::1' }, 'drop'],
  ['an answer about a link-local address', { ...answer, target: 'fe80::2' }, 'accept'],
  ['a router advertisement', router, 'drop'],
  ['a router advertisement from its own address', { ...router, source: 'fd01::2' }, 'drop'],
  ['a redirect', { ...router, icmpType: 137 }, 'drop'],
  ['an answer of a DHCP server', { ...sent, sourcePort: 67, destinationPort: 68 }, 'drop'],
  ['an answer of a DHCPv6 server', { ...sent6, sourcePort: 547, destinationPort: 546 }, 'drop'],
  ['an answer of a DHCP server from any port', { ...sent, destinationPort: 68 }, 'drop'],
  ['an answer of a DHCPv6 server from any port', { ...sent6, destinationPort: 546 }, 'drop'],
  ['TCP to a port that a DHCP client uses', { ...sent, protocol: 'tcp', destinationPort: 68 }, 'accept'],
  ['TCP to a port that a DHCPv6 client uses', { ...sent6, protocol: 'tcp', destinationPort: 546 }, 'accept'],
  ['UDP of IPv6 to a port that a DHCP client uses', { ...sent6, destinationPort: 68 }, 'accept'],
  ['UDP of IPv4 to a port that a DHCPv6 client uses', { ...sent, destinationPort: 546 }, 'accept'],
  ['DNS from a port that a DHCP server uses', { ...sent, sourcePort: 67, destinationPort: 53 }, 'accept'],
  ['listener discovery', listener, 'accept'],
  ['listener discovery without an address', { ...listener, source: '::' }, 'accept'],
  ['listener discovery, egress isolated', { ...listener, ...closed }, 'accept'],
  ['IGMP', igmp, 'accept'],
  ['IGMP without an address', { ...igmp, source: '0.0.0.0' }, 'accept'],
  ['DHCP', dhcp, 'accept'],
  ['DHCPv6, egress isolated', { ...dhcp6, ...closed }, 'accept'],
  ['DHCPv6 from another port, egress isolated', { ...dhcp6, ...closed, sourcePort: 547 }, 'drop'],
  ['DHCPv6 to one host, egress isolated', { ...dhcp6, ...closed, destination: 'fe80::2' }, 'drop'],
  ['UDP from link-local', { ...sent6, source: 'fe80::2', destination: 'fe80::3' }, 'accept'],
  ['UDP from link-local, egress isolated', { ...sent6, ...closed, source: 'fe80::3', destination: 'fe80::2' }, 'drop'],
  ['a ping to all nodes, egress isolated', { ...control, ...closed, icmpType: 128 }, 'drop'],
  [
    'UDP from link-local, ingress isolated',
    { ...sent6, inInterface: 'veth-picky', source: 'fe80::4', destination: 'fe80::2' },
    'accept',
  ],
  [
    'UDP from link-local, of an unknown pod',
    { ...sent6, inInterface: 'veth-unknown', source: 'fe80::5', destination: 'fe80::2' },
    'drop',
  ],
];

const deliveries: readonly Case[] = [
  ['to the pod itself', delivered, 'accept'],
  ['to the pod itself, IPv6', delivered6, 'accept'],
  ['to the pod itself, from outside', to({ ...fromUplink, source: '203.0.113.5' }, 'closed'), 'accept'],
  ['to the pod itself, from a pod of no gated range', to({ ...sent, source: '10.9.0.7' }, 'closed'), 'accept'],
  ["to another pod, by its neighbour's MAC", to({ ...sent, destination: '10.1.0.4' }, 'closed'), 'drop'],
  ["to a foreign address, by its neighbour's MAC", to({ ...sent6, destination: '2001:db8::5' }, 'closed'), 'drop'],
  ['with a VLAN tag', { ...delivered, etherType: 'vlan' }, 'drop'],
  ['ARP that asks for it', to({ ...arp, packetType: 'broadcast' }, 'closed'), 'accept'],
  ['ARP that asks for another', to({ ...arp, packetType: 'broadcast' }, 'picky'), 'drop'],
  ['ARP that asks for it, with a trailer', to({ ...arp, packetType: 'broadcast', length: 200 }, 'closed'), 'drop'],
  ['ARP in which a pod announces itself', to({ ...arp, destination: '10.1.0.2' }, 'closed'), 'accept'],
  [
    'ARP of the uplink about itself',
    to({ ...arp, ...onUplink, source: '10.1.0.1', destination: '10.1.0.1' }, 'closed'),
    'accept',
  ],
  ['neighbour discovery', to(discovery, 'closed'), 'accept'],
  ['neighbour discovery that asks for another', to(discovery, 'picky'), 'drop'],
  ['neighbour discovery with a trailer', to({ ...discovery, length: 200 }, 'closed'), 'drop'],
  [
    'neighbour discovery that asks for a link-local address',
    to({ ...discovery, target: 'fe80::7' }, 'closed'),
    'accept',
  ],
  ['a router advertisement of a pod', to(router, 'free'), 'drop'],
  ['a router advertisement of the uplink', to({ ...router, ...onUplink }, 'closed'), 'accept'],
  ['a router solicitation of a pod', to({ ...router, icmpType: 133 }, 'free'), 'drop'],
  ['neighbour advertisement to link-local', to({ ...answer, destination: 'fe80::3' }, 'closed'), 'accept'],
  ['listener discovery', to(listener, 'closed'), 'drop'],
  ['listener discovery, to a pod that is not isolated', to(listener, 'free'), 'drop'],
  ['IGMP', to(igmp, 'closed'), 'drop'],
  ['IGMP, to a pod that is not isolated', to(igmp, 'free'), 'drop'],
  ['a listener query of the uplink', to({ ...listener, ...onUplink, icmpType: 130 }, 'closed'), 'accept'],
  ['DHCP', to(dhcp, 'closed'), 'drop'],
  ['DHCP, to a pod that is not isolated', to(dhcp, 'free'), 'drop'],
  ['DHCPv6, to a pod that is not isolated', to(dhcp6, 'free'), 'drop'],
  ['DHCP of who has an address', to({ ...dhcp, source: '10.1.0.2' }, 'closed'), 'drop'],
  ['UDP to link-local', to({ ...sent6, destination: 'fe80::2' }, 'free'), 'accept'],
  ['UDP to link-local, ingress isolated', to({ ...sent6, destination: 'fe80::3' }, 'closed'), 'drop'],
  ['UDP to link-local, of an unknown pod', to({ ...sent6, destination: 'fe80::5' }, 'unknown'), 'drop'],
];

const toMany: readonly Case[] = [
  ['multicast to a pod that is not isolated', to(group, 'free'), 'accept'],
  ['broadcast to a pod that is not isolated', to(everyone, 'free'), 'accept'],
  ['multicast to an isolated pod', group, 'drop'],
  ['broadcast to an isolated pod', everyone, 'drop'],
  [
    'multicast to an isolated pod, IPv6',
    to({ ...sent6, destination: 'ff02::fb', packetType: 'multicast' }, 'closed'),
    'drop',
  ],
  ['multicast that its policies allow', to(group, 'picky'), 'accept'],
  [
    'multicast that its policies allow, IPv6',
    to({ ...sent6, destination: 'ff02::fb', packetType: 'multicast' }, 'picky'),
    'accept',
  ],
  ['multicast from another source', to({ ...group, source: '10.1.0.3' }, 'picky'), 'drop'],
  ['multicast to another port', to({ ...group, destinationPort: 5354 }, 'picky'), 'drop'],
  ['multicast to an unknown pod', to(group, 'unknown'), 'drop'],
];

const strangers: readonly Case[] = [
  ["from a port that nobody knows, another's address", { ...sent, ...fresh }, 'drop'],
  ["from a port that nobody knows, another's address, IPv6", { ...sent6, ...fresh }, 'drop'],
  ['from a port that nobody knows, its own address', { ...sent, ...fresh, source: '10.9.0.2' }, 'accept'],
  ['from a port that nobody knows, neighbour discovery', { ...discovery, ...fresh }, 'accept'],
  ["from a port that nobody knows, ARP with another's address, to the node", { ...arp, ...fresh }, 'accept'],
  ["from the uplink, ARP with a pod's address", { ...arp, ...onUplink }, 'drop'],
  ['from a port that nobody knows, ARP', { ...arp, ...fresh, source: '10.9.0.2' }, 'accept'],
  ["from a port that nobody knows, an answer about another's address", { ...answer, ...fresh }, 'drop'],
  ["from the uplink, with a pod's address (S1.17)", fromUplink, 'drop'],
  ["from the uplink, with a pod's address, IPv6 (S1.17)", { ...sent6, ...onUplink }, 'drop'],
  ["from the uplink, with a pod's address and a VLAN tag", { ...fromUplink, etherType: 'vlan' }, 'drop'],
  ['from the uplink', { ...fromUplink, source: '203.0.113.5' }, 'accept'],
  ['from the uplink, with a VLAN tag', { ...fromUplink, source: '203.0.113.5', etherType: 'vlan' }, 'accept'],
  ["to a port that nobody knows, another's address", to(sent, 'new'), 'drop'],
  ["to a port that nobody knows, another's address, IPv6", to(sent6, 'new'), 'drop'],
  ['to a port that nobody knows, its own address', to({ ...sent, destination: '10.9.0.2' }, 'new'), 'accept'],
  ['to the uplink', { ...sent, hook: 'forward', outInterface: 'eth0' }, 'accept'],
];

/** A pod that starts, before its rules are there, and one whose port is known. */
const from = (packet: Packet): Packet => ({ ...to(packet, 'closed'), ...fresh });
const newcomers: readonly Case[] = [
  ['from an address of the gate', from({ ...sent, source: '10.1.0.99' }), 'accept'],
  ['from an address of the gate, IPv6', from({ ...sent6, source: 'fd01::99' }), 'accept'],
  ['from a pod whose port is not known', from({ ...sent, source: '10.9.0.2' }), 'accept'],
  ['from a pod whose port is not known, IPv6', from({ ...sent6, source: 'fd09::2' }), 'accept'],
  ['from outside', from({ ...sent, source: '203.0.113.5' }), 'drop'],
  ['from outside, IPv6', from({ ...sent6, source: '2001:db8::5' }), 'drop'],
  ['from nowhere', from({ ...sent, source: '0.0.0.0', packetType: 'broadcast' }), 'drop'],
  ['from link-local', from({ ...sent6, source: 'fe80::9', destination: 'fe80::2' }), 'drop'],
  ['from link-local to all', from({ ...control, icmpType: 128, source: 'fe80::9' }), 'drop'],
  ['neighbour discovery', from({ ...discovery, source: 'fe80::9' }), 'accept'],
  ['a router advertisement', from({ ...router, source: 'fe80::9' }), 'drop'],
  ['listener discovery', from({ ...listener, source: 'fe80::9' }), 'drop'],
  ['DHCP', from(dhcp), 'drop'],
  ['ARP from an address of the gate', from({ ...arp, source: '10.1.0.99' }), 'accept'],
  ['ARP from a pod whose port is not known', from({ ...arp, source: '10.9.0.2' }), 'accept'],
  ['an ARP probe', from({ ...arp, source: '0.0.0.0' }), 'accept'],
  ["ARP with a known pod's address", from(arp), 'drop'],
  ['ARP from outside', from({ ...arp, source: '203.0.113.5' }), 'drop'],
  ['to an address of the gate', to({ ...sent, destination: '10.1.0.99' }, 'new'), 'accept'],
  ['to a pod whose port is not known, IPv6', to({ ...sent6, destination: 'fd09::2' }, 'new'), 'accept'],
  ['multicast to it', to(group, 'new'), 'drop'],
  ['link-local to it', to({ ...sent6, destination: 'fe80::9' }, 'new'), 'drop'],
  ['ARP to it', to(arp, 'new'), 'accept'],
  ['neighbour discovery to it', to(discovery, 'new'), 'accept'],
  [
    'multicast from the uplink',
    to({ ...fromUplink, source: '203.0.113.5', destination: '224.0.0.251', packetType: 'multicast' }, 'free'),
    'accept',
  ],
  ['what two of another bridge say to each other', { ...to(group, 'new'), ...fresh }, 'accept'],
];

/** What the node sends out by a port itself: the other table has judged it by its address. */
const routed = (packet: Packet, name: string): Packet => {
  const { inInterface: _in, inKind: _by, ...rest } = packet;
  return { ...rest, hook: 'output', outInterface: `veth-${name}`, outKind: 'veth' };
};
const ofNode: readonly Case[] = [
  ['routed to the pod', routed(sent, 'closed'), 'accept'],
  ['routed to the pod, IPv6', routed(sent6, 'closed'), 'accept'],
  ['routed to a port that is not known, with the address of a pod', routed(sent, 'new'), 'drop'],
  ['routed to a port that is not known, with the address of a pod, IPv6', routed(sent6, 'new'), 'drop'],
  ['routed to the port of another pod', routed(sent, 'free'), 'drop'],
  ['routed to an address of no pod', routed({ ...sent, destination: '10.1.0.99' }, 'new'), 'accept'],
  ['of the node itself, to the pod (S5.1)', { ...routed(sent, 'closed'), fromSocket: true }, 'accept'],
  ['of the node itself, to the port of another pod (S1.18)', { ...routed(sent, 'free'), fromSocket: true }, 'drop'],
  ['of the node itself, to the port of another pod, IPv6', { ...routed(sent6, 'free'), fromSocket: true }, 'drop'],
  ['of the node itself, to a port that is not known', { ...routed(sent, 'new'), fromSocket: true }, 'accept'],
  ['of the node itself, to everyone', { ...routed(everyone, 'closed'), fromSocket: true, toGroup: true }, 'accept'],
  [
    'of the node itself, link-local',
    routed({ ...sent6, destination: 'fe80::3', fromSocket: true }, 'closed'),
    'accept',
  ],
  ['routed to everyone', { ...routed(everyone, 'closed'), toGroup: true, packetType: 'host' }, 'drop'],
  ['ARP', routed({ ...arp, source: '10.1.0.1' }, 'closed'), 'accept'],
  ['ARP that asks for another', routed({ ...arp, source: '10.1.0.1' }, 'picky'), 'drop'],
  ['ARP to a port that is not known', routed(arp, 'new'), 'accept'],
  ['neighbour discovery', routed(discovery, 'closed'), 'accept'],
  ['neighbour discovery to a port that is not known', routed(discovery, 'new'), 'accept'],
];

describe('the guard of ports of bridges (S1.15, S1.16)', () => {
  const all = { sources, frames, linkControl, deliveries, toMany, strangers, newcomers, ofNode };
  for (const [name, cases] of Object.entries(all)) {
    describe(name, () => {
      for (const [what, packet, verdict] of cases) {
        it(`${what}: ${verdict}`, () => assert.equal(trace(bridge!, packet).verdict, verdict));
      }
    });
  }

  it('lets its first rules pass only what the others would pass', () => {
    const chains = new Map(bridge!.chains);
    for (const name of ['prerouting', 'forward']) {
      const chain = chains.get(name)!;
      const others = chain.rules.filter(({ verdict }) => verdict.kind !== 'accept');
      assert.ok(others.length < chain.rules.length);
      chains.set(name, { ...chain, rules: others });
    }
    for (const [what, packet, verdict] of Object.values(all).flat())
      assert.equal(trace({ ...bridge!, chains }, packet).verdict, verdict, what);
  });

  it('holds newcomers in a family without gated ranges too', () => {
    const { bridge: half } = guardedNode(link, { podCidrs: ['10.1.0.0/24'] });
    assert.equal(trace(half!, from({ ...sent6, source: '2001:db8::5' })).verdict, 'drop');
    assert.equal(trace(half!, delivered6).verdict, 'accept');
  });

  it('leaves newcomers alone where there is no gate that would let them go on', () => {
    const { bridge: open } = guardedNode(link, { gate: false });
    for (const source of ['203.0.113.5', '10.1.0.99']) {
      assert.equal(trace(open!, from({ ...sent, source })).verdict, 'accept');
    }
  });

  it('is no table where the kernel takes none, and routed pods are guarded all the same', () => {
    assert.equal(guardedNode(link, { guard: 'routed' }).bridge, undefined);
    const routed = guardedNode((name) => ({ device: `veth-${name}` }), { guard: 'routed' });
    for (const { chains } of routedTables(routed)) assert.ok(chains.has('anti-spoof'));
  });

  it('is no table where it is off', () => assert.equal(guardedNode(link, { guard: false }).bridge, undefined));

  it('holds frames of a port to the MAC of its pod, where that is known', () => {
    const own = { sourceMac: macs.free! };
    const foreign = { sourceMac: macs.closed! };
    for (const packet of [sent, sent6, arp, { ...discovery, source: 'fd01::2' }]) {
      assert.equal(trace(pinned!, { ...packet, ...own }).verdict, 'accept');
      assert.equal(trace(pinned!, { ...packet, ...foreign }).verdict, 'drop');
    }
    const [own6, other6] = ['fe80::ff:fe00:2', 'fe80::ff:fe00:3'];
    for (const packet of [
      { ...discovery, source: own6 },
      { ...answer, source: own6, target: own6 },
    ]) {
      assert.equal(trace(pinned!, { ...packet, ...own }).verdict, 'accept');
      assert.equal(trace(pinned!, { ...packet, ...own, source: other6 }).verdict, 'drop');
    }
    assert.equal(trace(pinned!, { ...answer, ...own, source: 'fd01::2', target: other6 }).verdict, 'drop');
    const picky = { ...sent, source: '10.1.0.4', inInterface: 'veth-picky', sourceMac: '02:00:00:00:00:99' };
    assert.equal(trace(pinned!, picky).verdict, 'accept');
  });

  it('lets pods be routers and address servers where the operator says so', () => {
    const server: Packet = { ...sent, sourcePort: 67, destinationPort: 68 };
    for (const packet of [router, server, to(router, 'free'), to(dhcp, 'free'), to(listener, 'free')]) {
      assert.equal(trace(withRouters!, packet).verdict, 'accept');
      assert.equal(trace(bridge!, packet).verdict, 'drop');
    }
  });

  it('a port of a pod that has a denied address too gets nothing that goes to many', () => {
    const seat = { device: 'cni0', port: 'veth-a' };
    const pipeline = startPipeline('n1', [pod('x/a', { ips: ['10.1.0.2'] }), pod('x/b', { ips: ['fd01::2'] })]);
    pipeline.receive(sandbox('x/a', { ips: ['10.1.0.2'], link: seat }));
    pipeline.receive(sandbox('x/ghost', { ips: ['fd01::9'], link: seat }));
    const mixed = pipeline.plan(undefined).compiled.ruleset.bridge!;
    const group6: Packet = { ...sent6, destination: 'ff02::fb', packetType: 'multicast' };
    for (const packet of [group, group6]) assert.equal(trace(mixed, to(packet, 'a')).verdict, 'drop');
  });
});
