import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Packet } from '../../src/nftables/packet.ts';
import { renderRule } from '../../src/nftables/render.ts';
import { planStages } from '../../src/plan/plan.ts';
import { pod } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { routedTables, verdictOf } from '../support/routed.ts';
import { guardedNode } from './guarded-node.ts';

const link = (name: string) => ({ device: `veth-${name}` });
const gated = guardedNode(link, { guard: false });
const open = guardedNode(link, { gate: false, guard: false });

/** Of the range, and no pod's. */
const nobody = '10.1.0.77';
const nobody6 = 'fd01::77';
const outside = '203.0.113.5';
const outside6 = '2001:db8::5';
const gateway = '10.1.0.1';

const tcp: Packet = {
  hook: 'forward',
  family: 'ipv4',
  inInterface: 'eth0',
  source: outside,
  destination: nobody,
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
  ctState: 'new',
  direction: 'original',
  tcpSyn: true,
  hopLimit: 64,
};
const { sourcePort: _, destinationPort: __, tcpSyn: ___, ...portless } = tcp;
const tcp6: Packet = { ...tcp, family: 'ipv6', source: outside6, destination: nobody6 };
const reply = { ctState: 'established', direction: 'reply', tcpSyn: false } as const;
const back = { source: nobody, destination: outside } as const;
const discovery: Packet = {
  ...portless,
  family: 'ipv6',
  protocol: 'icmpv6',
  icmpType: 135,
  hopLimit: 255,
  source: nobody6,
  destination: 'ff02::1:ff00:2',
};
const error: Packet = { ...portless, protocol: 'icmp', icmpType: 3, ctState: 'related' };

type Case = readonly [what: string, packet: Packet, verdict: 'accept' | 'drop', withoutGate: 'accept' | 'drop'];

const unowned: readonly Case[] = [
  ['to it', tcp, 'drop', 'accept'],
  ['to it, IPv6', tcp6, 'drop', 'accept'],
  ['from it', { ...tcp, ...back }, 'drop', 'accept'],
  ['from it, IPv6', { ...tcp6, source: nobody6, destination: outside6 }, 'drop', 'accept'],
  ['from a pod', { ...tcp, source: '10.1.0.2' }, 'drop', 'accept'],
  ['to a pod', { ...tcp, source: nobody, destination: '10.1.0.2' }, 'drop', 'accept'],
  ['to itself', { ...tcp, source: nobody }, 'drop', 'accept'],
  ['to its node', { ...tcp, source: nobody, destination: '192.0.2.1', hook: 'input' }, 'drop', 'accept'],
  ['to its node, IPv6', { ...tcp6, source: nobody6, destination: '2001:db8:ffff::1', hook: 'input' }, 'drop', 'accept'],
  ['from it, as a reply', { ...tcp, ...back, ...reply }, 'drop', 'accept'],
  ['to it, as a reply', { ...tcp, ...reply }, 'drop', 'accept'],
  ['from it, established', { ...tcp, ...back, ctState: 'established', tcpSyn: false }, 'drop', 'accept'],
  ['from it, untracked', { ...tcp, ...back, ctState: 'untracked', direction: undefined }, 'drop', 'accept'],
  ['from it, invalid', { ...tcp, ...back, ctState: 'invalid', direction: undefined }, 'drop', 'accept'],
  [
    'from it to a group',
    { ...portless, source: nobody, destination: '224.0.0.251', protocol: 'udp' },
    'drop',
    'accept',
  ],
  [
    'to all of the range',
    { ...portless, source: '10.1.0.2', destination: '10.1.0.255', protocol: 'udp' },
    'drop',
    'accept',
  ],
];

const always: readonly Case[] = [
  ['what the node sends to it (S5.1)', { ...tcp, source: '192.0.2.1', hook: 'output' }, 'accept', 'accept'],
  [
    'the answer to that',
    { ...tcp, source: nobody, destination: '192.0.2.1', hook: 'input', ...reply },
    'accept',
    'accept',
  ],
  [
    'the node to itself, by its address on the bridge',
    { ...tcp, inInterface: 'lo', source: gateway, destination: gateway, hook: 'input' },
    'accept',
    'accept',
  ],
  [
    "a pod to the node's address on the bridge",
    { ...tcp, source: '10.1.0.2', destination: gateway, hook: 'input' },
    'accept',
    'accept',
  ],
  ['neighbour discovery (S5.8)', discovery, 'accept', 'accept'],
  ['a related error to it (S5.3)', error, 'accept', 'accept'],
  [
    'DHCP',
    { ...portless, source: '0.0.0.0', destination: '255.255.255.255', protocol: 'udp', hook: 'input' },
    'accept',
    'accept',
  ],
];

const pods: readonly Case[] = [
  ['a pod that is not isolated', { ...tcp, source: '10.1.0.2', destination: outside }, 'accept', 'accept'],
  ['to it', { ...tcp, destination: '10.1.0.2' }, 'accept', 'accept'],
  ['to it, IPv6', { ...tcp6, destination: 'fd01::2' }, 'accept', 'accept'],
  ['its reply', { ...tcp, source: '10.1.0.2', destination: outside, ...reply }, 'accept', 'accept'],
  [
    'a pod of which one way is isolated, the other way',
    { ...tcp, source: '10.1.0.4', destination: outside },
    'accept',
    'accept',
  ],
  ['to it', { ...tcp, destination: '10.1.0.4' }, 'drop', 'drop'],
  ['an isolated pod', { ...tcp, source: '10.1.0.3', destination: outside }, 'drop', 'drop'],
  ['an isolated pod, to itself', { ...tcp, source: '10.1.0.3', destination: '10.1.0.3' }, 'accept', 'accept'],
  ['the sandbox of an unknown pod (S1.14)', { ...tcp, source: '10.1.0.5', destination: outside }, 'drop', 'drop'],
  ['to it', { ...tcp, destination: '10.1.0.5' }, 'drop', 'drop'],
  ['a pod of another range', { ...tcp, source: '10.9.0.2', destination: outside }, 'accept', 'accept'],
];

const others: readonly Case[] = [
  ['forwarded past the node', { ...tcp, source: outside, destination: '198.51.100.1' }, 'accept', 'accept'],
  ['next to the range', { ...tcp, destination: '10.1.1.0' }, 'accept', 'accept'],
  ['next to the range, IPv6', { ...tcp6, destination: 'fd01:0:0:1::' }, 'accept', 'accept'],
  ['another host to the node', { ...tcp, destination: '192.0.2.1', hook: 'input' }, 'accept', 'accept'],
];

describe('the gate (S7.5)', () => {
  for (const [name, cases] of Object.entries({ unowned, always, pods, others })) {
    describe(name, () => {
      for (const [what, packet, verdict, withoutGate] of cases) {
        it(`${what}: ${verdict}`, () => assert.equal(verdictOf(gated, packet), verdict));
        it(`${what}, without the gate: ${withoutGate}`, () => assert.equal(verdictOf(open, packet), withoutGate));
      }
    });
  }

  it('has one rule a range for each end, in the table of its family, as nft lists it', () => {
    const podCidrs = ['10.1.0.7/32', '10.2.0.0/25', 'fd01::7/128'];
    const { compiled } = startPipeline('n1', [pod('x/a', { ips: ['10.2.0.2'] })], { podCidrs }).plan(undefined);
    const told = routedTables(compiled.ruleset).map(({ chains }) =>
      ['from-nonlocal', 'to-nonlocal'].map((name) => chains.get(name)!.rules.map(renderRule)),
    );
    const expected = (ranges: string[]) => ranges.map((range) => `${range} goto gate`);
    assert.deepEqual(told, [
      [
        expected(['ip saddr 10.1.0.7', 'ip saddr 10.2.0.0/25']),
        expected(['ip daddr 10.1.0.7', 'ip daddr 10.2.0.0/25']),
      ],
      [expected(['ip6 saddr fd01::7']), expected(['ip6 daddr fd01::7'])],
    ]);
  });

  it('is nothing at all in a family without a range', () => {
    const [ip, ip6] = routedTables(guardedNode(link, { podCidrs: ['fd01::/64'], allowed: { tunnels: true } }));
    assert.deepEqual([ip.chains.has('gate'), ip6.chains.has('gate')], [false, true]);
    assert.deepEqual(
      [ip, ip6].map(({ chains }) => chains.get('to-nonlocal')!.rules.length),
      [0, 1],
    );
  });

  it('a range that comes or goes changes nothing but the rules for nobody: no pod meets one lookup that knows of it and one that does not', () => {
    const [closing] = planStages(gated, open).stages.filter(({ name }) => name === 'switch');
    const names = closing!.operations.map((operation) =>
      'chain' in operation ? operation.chain.name : operation.verb,
    );
    assert.deepEqual(names, ['from-nonlocal', 'to-nonlocal', 'from-nonlocal', 'to-nonlocal']);
  });
});
