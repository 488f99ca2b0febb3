import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Link } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { trace, type Trace } from '../../src/nftables/trace.ts';
import type { PipelineOptions } from '../../src/pipeline.ts';
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
const { sourcePort: _sport, destinationPort: _dport, ...ping } = udp;
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
  ...[133, 135, 136].map((type): Case => [`neighbour discovery ${type}`, control(type, 255), 'accept', 'accept']),
  ...[134, 137].map((type): Case => [`a message of routers, ${type} (S1.18)`, control(type, 255), 'drop', 'accept']),
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
  ...['geneve', 'vxlan', 'bridge', 'bond', 'tun', undefined].flatMap((inKind): Case[] => {
    const uplink = { inInterface: 'up0', ...(inKind && { inKind }) };
    const what = `a pod's address by another device, of kind ${inKind ?? 'none'} (S1.17)`;
    return [
      [what, { ...udp, ...uplink }, 'drop', 'accept'],
      [`${what}, IPv6`, { ...udp6, ...uplink }, 'drop', 'accept'],
      [`${what}, to another pod`, { ...udp, ...uplink, destination: '10.9.0.2' }, 'drop', 'accept'],
      [`${what}, to the pod itself`, { ...udp, ...uplink, destination: '10.1.0.2' }, 'drop', 'accept'],
      [`${what}, to the node`, { ...udp, ...uplink, hook: 'input' }, 'drop', 'accept'],
      [`${what}, as a reply`, { ...udp, ...uplink, ...reply }, 'drop', 'accept'],
      [`${what}, a SYN`, { ...udp, ...uplink, protocol: 'tcp', tcpSyn: true }, 'drop', 'accept'],
    ];
  }),
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
    'the node itself, from the address of a pod that nothing isolates',
    { ...udp, hook: 'output', source: '10.1.0.2', destination: '10.1.0.3' },
    'accept',
    'accept',
  ],
  [
    'the node itself, from the address of an isolated pod (S1.17)',
    { ...udp, hook: 'output', source: '10.1.0.3', destination: '10.1.0.2' },
    'drop',
    'accept',
  ],
  [
    'the node itself, from the address of an isolated pod, to that pod',
    { ...udp, hook: 'output', source: '10.1.0.3', destination: '10.1.0.3' },
    'accept',
    'accept',
  ],
  [
    "the kernel's reset of the node's connection to a pod, as it comes back",
    {
      ...udp,
      hook: 'input',
      inInterface: 'lo',
      source: '10.1.0.3',
      protocol: 'tcp',
      ctState: 'related',
      direction: 'reply',
    },
    'accept',
    'accept',
  ],
  [
    "the kernel's reset in the name of an isolated pod",
    { ...udp, hook: 'output', source: '10.1.0.3', destination: '10.1.0.2', protocol: 'tcp', ctState: 'related' },
    'accept',
    'accept',
  ],
  ['a known sandbox of an unknown pod', { ...udp, inInterface: 'veth-unknown', source: '10.1.0.5' }, 'drop', 'drop'],
];

/** What a node would unpack (S1.18). `n2` has a bridge in its range. */
const tunnels = [4789, 6081, 8472].map((destinationPort): Packet => ({ ...udp, destinationPort }));
const [ipip, gre] = ['4', '47'].map((protocol): Packet => ({ ...ping, protocol }));

describe("tunnel packets from pods' devices (S1.18)", () => {
  const toNodes = ['192.0.2.2', '10.2.0.0', '10.2.0.1'];
  const nodeWith = (options: PipelineOptions, seat: Link): Ruleset => {
    const pipeline = startPipeline(
      'n1',
      [
        node('n1', '192.0.2.1'),
        { ...node('n2', '192.0.2.2'), spec: { podCIDRs: ['10.2.0.0/24'] } },
        pod('x/free', { ips: ['10.1.0.2'] }),
      ],
      options,
    );
    pipeline.receive(sandbox('x/free', { ips: ['10.1.0.2'], link: seat }));
    return pipeline.plan(undefined).compiled.ruleset;
  };
  for (const [where, seat] of [
    ['routed', { device: 'veth-free' }],
    ['on a bridge', { device: 'cni0', port: 'veth-free' }],
  ] as const) {
    const held = nodeWith({}, seat);
    const allowed = nodeWith({ allowed: { tunnels: true } }, seat);
    const by = { inInterface: seat.device };
    for (const packet of [...tunnels, ipip!, gre!, { ...ipip!, protocol: '41' }]) {
      const what = `${packet.protocol} ${packet.destinationPort ?? ''}`;
      it(`${where}, ${what}, to nodes: drop; where it is allowed: accept`, () => {
        for (const destination of toNodes) {
          for (const connection of [{}, reply]) {
            assert.equal(verdictOf(held, { ...packet, ...by, ...connection, destination }), 'drop', destination);
            assert.equal(verdictOf(allowed, { ...packet, ...by, ...connection, destination }), 'accept');
          }
        }
        const toOwn = { ...packet, ...by, hook: 'input' as const, destination: '192.0.2.1' };
        assert.equal(verdictOf(held, toOwn), 'drop');
        // Of a pod of another node, at an address that no Node names.
        const fromAfar = { ...toOwn, source: '10.2.0.7', inInterface: 'eth0', destination: '198.51.100.7' };
        assert.equal(verdictOf(held, fromAfar), 'drop');
        // A node whose address lies in a pod range.
        assert.equal(verdictOf(held, { ...fromAfar, source: '10.2.0.1' }), 'accept');
        assert.equal(verdictOf(allowed, fromAfar), 'accept');
        assert.equal(verdictOf(allowed, toOwn), 'accept');
      });
      it(`${where}, ${what}, to what is no node, or from what is no pod: accept`, () => {
        assert.equal(verdictOf(held, { ...packet, ...by, destination: '10.2.0.7' }), 'accept');
        const between = { source: '198.51.100.1', destination: '192.0.2.2', inInterface: 'eth0' };
        assert.equal(verdictOf(held, { ...packet, ...between }), 'accept');
        assert.equal(verdictOf(held, { ...packet, ...between, hook: 'input' }), 'accept');
      });
    }
  }
});

describe('bridged pods in the tables that route (S1.17)', () => {
  const bridged = guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` }), { gate: false });
  const closing = guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` }), { gate: false, guard: 'routed' });
  const onBridge = { inInterface: 'cni0', inKind: 'bridge' } as const;
  const local6: Packet = { ...udp6, ...onBridge, outInterface: 'cni0', source: 'fe80::2', destination: 'fe80::4' };
  const cases: readonly (readonly [string, Packet, 'accept' | 'drop', 'accept' | 'drop'])[] = [
    ['by their bridge', { ...udp, ...onBridge }, 'accept', 'accept'],
    ['a redirect', { ...ping, ...onBridge, protocol: 'icmp', icmpType: 5 }, 'drop', 'drop'],
    ['by their bridge, IPv6', { ...udp6, ...onBridge }, 'accept', 'accept'],
    ['by the uplink', { ...udp, inInterface: 'eth0' }, 'drop', 'drop'],
    ['by a tunnel, IPv6', { ...udp6, inInterface: 'flannel.1', inKind: 'vxlan' }, 'drop', 'drop'],
    ['to the node by the uplink', { ...udp, inInterface: 'eth0', hook: 'input' }, 'drop', 'drop'],
    ['what comes by their bridge from outside', { ...udp, ...onBridge, source: '203.0.113.9' }, 'accept', 'accept'],
    // Ports are seen by the table of bridges, where there is one.
    ['link-local between ports', local6, 'accept', 'drop'],
    ['to a link-local address', { ...local6, source: 'fd01::2' }, 'accept', 'drop'],
    ['from a link-local address to all', { ...local6, destination: 'ff02::1' }, 'accept', 'drop'],
    [
      'neighbour discovery',
      { ...local6, protocol: 'icmpv6', icmpType: 135, hopLimit: 255, ctState: 'untracked', length: 72 },
      'accept',
      'accept',
    ],
  ];
  for (const [what, packet, verdict, withoutPorts] of cases) {
    it(`${what}: ${verdict}`, () => assert.equal(verdictOf(bridged, packet), verdict));
    it(`${what}, where the kernel has no table of bridges: ${withoutPorts}`, () =>
      assert.equal(verdictOf(closing, packet), withoutPorts));
  }
});

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

  it('lets a pod send errors about its own connections only (S5.19)', () => {
    const error: Packet = {
      ...ping,
      protocol: 'icmp',
      icmpType: 3,
      ctState: 'related',
      direction: 'reply',
      length: 100,
    };
    const own = { source: '203.0.113.5', destination: '10.1.0.2', protocol: 'udp', destinationPort: 53 };
    const ofOthers = { ...own, destination: '10.9.0.2' };
    for (const hook of ['forward', 'input'] as const) {
      assert.equal(verdictOf(guarded, { ...error, hook, connection: own }), 'accept', hook);
      assert.equal(verdictOf(guarded, { ...error, hook, connection: ofOthers }), 'drop', hook);
      const unrelated: Packet = { ...error, hook, ctState: 'invalid', direction: undefined };
      assert.equal(verdictOf(guarded, unrelated), 'drop', hook);
    }
    const ofRouter = { ...error, inInterface: 'eth0', source: '203.0.113.1', destination: '10.1.0.2', connection: own };
    assert.equal(verdictOf(guarded, ofRouter), 'accept');
  });

  it("lets no device bring the node's own IPv6 addresses (S1.17)", () => {
    const borrowed: Packet = { ...udp6, inInterface: 'eth0', source: '2001:db8:1::1', destination: 'fd01::2' };
    assert.equal(verdictOf(guarded, borrowed), 'drop');
    assert.equal(verdictOf(guarded, { ...borrowed, hook: 'input' }), 'drop');
    assert.equal(verdictOf(guarded, { ...borrowed, hook: 'input', inInterface: 'lo' }), 'accept');
    assert.equal(verdictOf(guarded, { ...borrowed, source: '2001:db8:1::2' }), 'accept');
  });

  it('is nothing at all where it is off, or where no link is known', () => {
    const namesOf = (ruleset: Ruleset): string[] =>
      routedTables(ruleset)
        .flatMap(({ chains, sets }) => [...chains.keys(), ...sets.keys()])
        .filter((name) => /^anti-spoof|^port-sources|link-control|pod-ifs|if-ips|guarded-ips/.test(name));
    assert.deepEqual(namesOf(unguarded), []);
    assert.notDeepEqual(namesOf(guarded), []);
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
