import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type {
  Chain,
  Change,
  ElementVerdict,
  Field,
  Match,
  NftSet,
  Table,
  Verdict,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { routedTable } from '../../src/nftables/ruleset.ts';
import { trace, traceInFlight } from '../../src/nftables/trace.ts';
import { skipTest } from '../support/skip.ts';
import { example } from './example.ts';
import { Kernel } from './kernel.ts';
import { on } from './load.ts';
import { makeTable } from './make-table.ts';

type Probe = Partial<Packet> & { readonly from: string; readonly to: string };

const pods: Readonly<Record<string, readonly [string, string]>> = {
  a: ['10.1.0.2', 'fd01::2'],
  b: ['10.1.0.3', 'fd01::3'],
  /** Pods of another node, and of no policy. */
  c: ['10.2.0.2', 'fd02::2'],
  d: ['10.2.0.3', 'fd02::3'],
  node: ['10.1.0.1', 'fd01::1'],
  /** Outside, in the block that b allows on every protocol. */
  friend: ['172.20.0.9', 'fd20::9'],
  world: ['9.9.9.9', '2001:db8::9'],
};

/** A first packet of a TCP connection through forward, unless told otherwise. `from` and `to` are names; the port is the server's. */
function packetOf({ from, to, ...rest }: Probe, family: 'ipv4' | 'ipv6' = 'ipv4'): Packet {
  const index = family === 'ipv6' ? 1 : 0;
  return {
    hook: 'forward',
    family,
    source: pods[from]?.[index] ?? from,
    destination: pods[to]?.[index] ?? to,
    protocol: 'tcp',
    ctState: 'new',
    direction: 'original',
    hopLimit: 63,
    sourcePort: 40_000,
    tcpSyn: true,
    sctpInit: true,
    ...rest,
  };
}

const reply = (port: number): Partial<Packet> => ({
  sourcePort: port,
  destinationPort: 40_000,
  ctState: 'established',
  direction: 'reply',
  tcpSyn: false,
});
const established = (port: number): Partial<Packet> => ({
  destinationPort: port,
  ctState: 'established',
  tcpSyn: false,
});

/** Said of both families, each to its table. */
const probes: readonly [string, Probe, 'accept' | 'drop' | 'reset'][] = [
  ['an exact tuple', { from: 'a', to: 'b', destinationPort: 8080 }, 'accept'],
  ['a tuple of another node’s pod', { from: 'c', to: 'b', destinationPort: 8080 }, 'accept'],
  ['another port', { from: 'c', to: 'b', destinationPort: 8081 }, 'drop'],
  ['another protocol on that port', { from: 'c', to: 'b', destinationPort: 8080, protocol: 'udp' }, 'drop'],
  ['a pod that is in no tuple', { from: 'd', to: 'b', destinationPort: 8080 }, 'drop'],
  ['the first port of a range', { from: 'd', to: 'b', destinationPort: 9000 }, 'accept'],
  ['the last port of a range', { from: 'd', to: 'b', destinationPort: 9100 }, 'accept'],
  ['the port after a range', { from: 'd', to: 'b', destinationPort: 9101 }, 'drop'],
  ['UDP in its range', { from: 'd', to: 'b', destinationPort: 5305, protocol: 'udp' }, 'accept'],
  ['TCP in the range of UDP', { from: 'd', to: 'b', destinationPort: 5305 }, 'drop'],
  ['an address outside the block', { from: 'world', to: 'b', destinationPort: 9000 }, 'drop'],
  ['TCP from a block without ports', { from: 'friend', to: 'b', destinationPort: 1 }, 'accept'],
  ['SCTP from a block without ports', { from: 'friend', to: 'b', protocol: 'sctp', destinationPort: 1 }, 'accept'],
  ['GRE from a block without ports', { from: 'friend', to: 'b', protocol: '47' }, 'accept'],
  ['GRE from elsewhere', { from: 'd', to: 'b', protocol: '47' }, 'drop'],
  ['egress by a tuple', { from: 'a', to: 'd', destinationPort: 8080 }, 'accept'],
  ['egress to another pod', { from: 'a', to: 'c', destinationPort: 8080 }, 'drop'],
  ['egress to the world by a range', { from: 'a', to: 'world', protocol: 'udp', destinationPort: 5300 }, 'accept'],
  ['egress to the world on another port', { from: 'a', to: 'world', protocol: 'udp', destinationPort: 53 }, 'drop'],
  ['egress of a pod that may send nothing', { from: 'b', to: 'world', protocol: 'udp', destinationPort: 5300 }, 'drop'],
  ['ingress of a pod that is isolated for egress only', { from: 'world', to: 'a', destinationPort: 22 }, 'accept'],
  ['egress allowed, ingress of the other end not', { from: 'a', to: 'b', destinationPort: 9101 }, 'drop'],
  ['pods that no policy selects', { from: 'c', to: 'world', destinationPort: 25 }, 'accept'],

  [
    'the reply of an allowed connection, from a server that may send nothing',
    { from: 'b', to: 'c', ...reply(8080) },
    'accept',
  ],
  ['the reply of a revoked connection', { from: 'b', to: 'c', ...reply(8081) }, 'drop'],
  ['the reply to an egress-isolated client', { from: 'd', to: 'a', ...reply(8080) }, 'accept'],
  ['the reply of a revoked egress', { from: 'c', to: 'a', ...reply(8080) }, 'drop'],
  ['the client’s packets of an allowed connection', { from: 'c', to: 'b', ...established(8080) }, 'accept'],
  ['the client’s packets of a revoked connection', { from: 'c', to: 'b', ...established(8081) }, 'drop'],
  [
    'a reply whose ports are allowed only the other way round',
    { from: 'b', to: 'c', ...reply(40_001), destinationPort: 8080 },
    'drop',
  ],
  ['the reply to the world’s connection to a', { from: 'a', to: 'world', ...reply(22) }, 'accept'],

  ['a pod to itself through its Service', { from: 'b', to: 'b', destinationPort: 1234 }, 'accept'],
  ['and back', { from: 'b', to: 'b', ...reply(1234) }, 'accept'],

  [
    'TCP picked up in mid-stream, to an isolated pod',
    { from: 'world', to: 'a', destinationPort: 22, tcpSyn: false },
    'reset',
  ],
  [
    'TCP picked up in mid-stream, of an isolated pod',
    { from: 'b', to: 'world', destinationPort: 22, tcpSyn: false },
    'reset',
  ],
  ['TCP picked up in mid-stream, of others', { from: 'c', to: 'd', destinationPort: 22, tcpSyn: false }, 'accept'],
  [
    'TCP of an unknown first segment is judged',
    { from: 'world', to: 'b', destinationPort: 22, ctState: 'invalid', direction: undefined, tcpSyn: false },
    'drop',
  ],

  [
    'an untracked request, by its header',
    { from: 'c', to: 'b', destinationPort: 8080, ctState: 'untracked', direction: undefined },
    'accept',
  ],
  [
    'an untracked request that nothing allows',
    { from: 'c', to: 'b', destinationPort: 8081, ctState: 'untracked', direction: undefined },
    'drop',
  ],
  [
    'an untracked reply is judged as original',
    { from: 'b', to: 'c', sourcePort: 8080, ctState: 'untracked', direction: undefined },
    'drop',
  ],
  [
    'an invalid packet that says it is a reply has no direction',
    { from: 'b', to: 'c', ...reply(8080), ctState: 'invalid' },
    'drop',
  ],
  ['untracked packets of others', { from: 'c', to: 'd', ctState: 'untracked', direction: undefined }, 'accept'],

  [
    'a later fragment has no port',
    { from: 'a', to: 'd', protocol: 'udp', ctState: 'untracked', direction: undefined },
    'drop',
  ],
  [
    'a later fragment from a block without ports',
    { from: 'friend', to: 'b', protocol: 'udp', ctState: 'untracked', direction: undefined },
    'accept',
  ],

  ['an own-node process to b', { hook: 'output', from: 'node', to: 'b', destinationPort: 22 }, 'accept'],
  ['b’s answer to it', { hook: 'input', from: 'b', to: 'node', ...reply(22) }, 'accept'],
  ['egress to the own node', { hook: 'input', from: 'a', to: 'node', destinationPort: 22 }, 'drop'],
  ['allowed egress to the own node', { hook: 'input', from: 'a', to: 'node', destinationPort: 9000 }, 'accept'],
  ['egress of others to the own node', { hook: 'input', from: 'c', to: 'node', destinationPort: 22 }, 'accept'],
  [
    'the own node in mid-stream',
    { hook: 'output', from: 'node', to: 'b', destinationPort: 22, tcpSyn: false },
    'reset',
  ],
  [
    'the own node’s UDP',
    { hook: 'output', from: 'node', to: 'b', destinationPort: 22, protocol: 'udp', tcpSyn: false },
    'accept',
  ],
];

const icmp = (type: number, rest: Partial<Packet> = {}): Partial<Packet> => ({
  protocol: 'icmp',
  icmpType: type,
  ...rest,
});
const icmp6 = (type: number, hopLimit: number): Partial<Packet> => ({
  protocol: 'icmpv6',
  icmpType: type,
  hopLimit,
  ctState: 'untracked',
  direction: undefined,
});

const probes4: typeof probes = [
  ['ping from a block without ports', { from: 'friend', to: 'b', ...icmp(8) }, 'accept'],
  ['ping from elsewhere', { from: 'd', to: 'b', ...icmp(8) }, 'drop'],
  ['a related unreachable', { from: 'world', to: 'b', ...icmp(3, { ctState: 'related' }) }, 'accept'],
  [
    'a related unreachable the other way',
    { from: 'b', to: 'world', ...icmp(3, { ctState: 'related', direction: 'reply' }) },
    'accept',
  ],
  ['a related redirect', { from: 'b', to: 'world', ...icmp(5, { ctState: 'related' }) }, 'drop'],
  ['an unreachable related to nothing', { from: 'b', to: 'world', ...icmp(3, { ctState: 'invalid' }) }, 'drop'],
  [
    'a related connection of a helper is judged',
    { from: 'world', to: 'b', destinationPort: 21, ctState: 'related' },
    'drop',
  ],
  ['IGMP to a group', { from: 'b', to: '224.0.0.22', protocol: '2', hopLimit: 1 }, 'accept'],
  ['IGMP with another TTL', { from: 'b', to: '224.0.0.22', protocol: '2', hopLimit: 2 }, 'drop'],
  ['IGMP to one address', { from: 'b', to: '9.9.9.9', protocol: '2', hopLimit: 1 }, 'drop'],
  [
    'the type of ICMPv6 is none of ICMP',
    { from: 'b', to: 'world', protocol: 'icmpv6', icmpType: 3, ctState: 'related' },
    'drop',
  ],
];

const probes6: typeof probes = [
  ['neighbour solicitation', { from: 'b', to: 'ff02::1:ff00:2', ...icmp6(135, 255) }, 'accept'],
  ['neighbour advertisement to the own node', { hook: 'input', from: 'b', to: 'node', ...icmp6(136, 255) }, 'accept'],
  ['redirect', { from: 'b', to: 'a', ...icmp6(137, 255), ctState: 'invalid' }, 'accept'],
  ['neighbour solicitation from afar', { from: 'world', to: 'b', ...icmp6(135, 254) }, 'drop'],
  ['a listener report', { from: 'b', to: 'ff02::16', ...icmp6(143, 1) }, 'accept'],
  ['a listener report to one address', { from: 'b', to: 'world', ...icmp6(143, 1) }, 'drop'],
  [
    'a related packet too big',
    { from: 'world', to: 'b', ...icmp6(2, 60), ctState: 'related', direction: 'original' },
    'accept',
  ],
  ['a packet too big related to nothing', { from: 'world', to: 'b', ...icmp6(2, 60), ctState: 'invalid' }, 'drop'],
  ['ping', { from: 'b', to: 'world', ...icmp6(128, 60), ctState: 'new', direction: 'original' }, 'drop'],
  [
    'the type of ICMP is none of ICMPv6',
    { from: 'b', to: 'world', ...icmp6(3, 60), protocol: 'icmp', ctState: 'related' },
    'drop',
  ],
];

describe('trace of the example', () => {
  for (const [name, family, more] of [
    ['IPv4', 'ipv4', probes4],
    ['IPv6', 'ipv6', probes6],
  ] as const) {
    describe(name, () => {
      const table = example[routedTable[family]];
      for (const [title, probe, verdict] of [...probes, ...more]) {
        it(`${title}: ${verdict}`, () => assert.equal(trace(table, packetOf(probe, family)).verdict, verdict));
      }

      it('tells the way: chain, rule, element', () => {
        const packet = packetOf({ from: 'b', to: 'c', ...reply(8081) }, family);
        assert.deepEqual(trace(table, packet), {
          verdict: 'drop',
          path: [
            { chain: 'forward', rule: 1, verdict: { kind: 'goto', chain: 'replies' } },
            { chain: 'replies', rule: 1, element: packet.source, verdict: { kind: 'jump', chain: 'i-1-r' } },
            { chain: 'i-1-r', rule: 3, verdict: { kind: 'goto', chain: 'deny-ingress' } },
            { chain: 'deny-ingress', rule: 1, verdict: { kind: 'drop' } },
          ],
        });
      });
    });
  }

  it('the kernel lists the example as it is written', function () {
    const kernel = Kernel.open('example');
    if (typeof kernel === 'string') return skipTest(this, kernel);
    try {
      assert.equal(kernel.run(renderRuleset(example)), undefined);
      assert.deepEqual(kernel.list(), example);
    } finally {
      kernel.close();
    }
  });
});

describe('trace of verdicts', () => {
  const packet = packetOf({ from: 'a', to: 'b', destinationPort: 80 });
  const always = (verdict: Verdict): Chain['rules'][number] => ({ matches: [], verdict });
  const never: Match = { kind: 'compare', field: 'ip saddr', op: '!=', values: ['10.1.0.2'] };
  const base = (name: string, priority: number, ...verdicts: Verdict[]): Chain => ({
    name,
    base: { hook: 'forward', priority },
    rules: verdicts.map(always),
  });
  const plain = (name: string, ...verdicts: Verdict[]): Chain => ({ name, rules: verdicts.map(always) });
  const drop: Verdict = { kind: 'drop' };
  const accept: Verdict = { kind: 'accept' };
  const back: Verdict = { kind: 'return' };
  const jump = (chain: string): Verdict => ({ kind: 'jump', chain });
  const goTo = (chain: string): Verdict => ({ kind: 'goto', chain });
  const verdictOf = (...chains: Chain[]): string => trace(makeTable([], [], chains), packet).verdict;

  const cases: readonly [string, Chain[], 'accept' | 'drop'][] = [
    ['a base chain accepts by default', [base('f', 0)], 'accept'],
    ['no base chain at the hook', [plain('c', drop)], 'accept'],
    ['a return from a base chain is its default', [base('f', 0, back, drop)], 'accept'],
    ['after a jump the rules go on', [base('f', 0, jump('c'), drop), plain('c', back, accept)], 'drop'],
    ['also where the chain just ends', [base('f', 0, jump('c'), drop), plain('c')], 'drop'],
    ['after a goto they do not', [base('f', 0, goTo('c'), drop), plain('c')], 'accept'],
    [
      'a goto under a jump comes back to the jump',
      [base('f', 0, jump('c'), drop), plain('c', goTo('d'), accept), plain('d', back)],
      'drop',
    ],
    ['an accept ends all chains of its base chain', [base('f', 0, jump('c'), drop), plain('c', accept)], 'accept'],
    ['but not the next base chain', [base('late', 1, drop), base('f', 0, accept)], 'drop'],
    ['a drop is the end', [base('late', 1, accept), base('f', 0, drop)], 'drop'],
  ];
  for (const [title, chains, verdict] of cases) it(title, () => assert.equal(verdictOf(...chains), verdict));

  it('of two base chains the lower priority comes first', () => {
    const chains = [base('late', 1, drop), base('f', 0, { kind: 'reject-tcp-reset' })];
    assert.equal(verdictOf(...chains), 'reset');
  });

  it('all matches of a rule must hold', () => {
    const rules = [
      { matches: [{ kind: 'compare', field: 'ip ttl', op: '==', values: ['63'] } as const, never], verdict: drop },
    ];
    assert.equal(verdictOf({ ...base('f', 0), rules }), 'accept');
  });

  it('what the packet lacks does not match, not even by !=', () => {
    for (const field of ['ip6 hoplimit', 'icmp type', 'ct direction', 'th sport'] as const) {
      const { sourcePort: _, direction: __, ...bare } = packet;
      const rules: Chain['rules'] = [
        { matches: [{ kind: 'compare', field, op: '!=', values: ['1'] } as const], verdict: drop },
      ];
      assert.equal(trace(makeTable([], [], [{ ...base('f', 0), rules }]), bare).verdict, 'accept', field);
    }
  });

  it('a foreign rule does nothing', () => {
    const rules = [{ matches: [{ kind: 'foreign', text: '' } as const], verdict: drop }];
    assert.equal(verdictOf({ ...base('f', 0), rules }), 'accept');
  });

  it('chains in a circle are a bug, not a hang', () => {
    assert.throws(() => verdictOf(base('f', 0, jump('c')), plain('c', goTo('d')), plain('d', goTo('c'))), /loop/);
  });
});

describe('trace of a frame', () => {
  const frame: Packet = {
    hook: 'prerouting',
    family: 'ipv4',
    inInterface: 'veth-a',
    inKind: 'veth',
    source: '10.1.0.2',
    destination: '10.1.0.3',
    protocol: 'udp',
    sourcePort: 68,
    destinationPort: 67,
    ctState: 'untracked',
  };
  const owners: NftSet = {
    name: 'owners',
    key: ['ifname', 'ipv4_addr'],
    interval: false,
    elements: new Set(['veth-a . 10.1.0.2']),
  };
  const compare = (field: Field, op: '==' | '!=', ...values: string[]): Match => ({
    kind: 'compare',
    field,
    op,
    values,
  });
  const looked = (op: '!=' | undefined, ...key: Field[]): Match => ({
    kind: 'lookup',
    ...(op && { op }),
    key,
    set: 'owners',
  });
  const arp: Partial<Packet> = { family: 'arp', packetType: 'broadcast' };

  const cases: readonly [string, Match, Partial<Packet>, boolean][] = [
    ['comes by a device', compare('iifname', '==', 'veth-a'), {}, true],
    ['comes by another', compare('iifname', '==', 'veth-a'), { inInterface: 'veth-b' }, false],
    ['goes to no device, whose name is then empty', compare('oifname', '!=', 'veth-a'), {}, true],
    ['comes by a kind', compare('meta iifkind', '==', 'veth'), {}, true],
    ['goes to what has no kind', compare('meta oifkind', '!=', 'veth'), {}, false],
    ['comes by a type of device', compare('meta iiftype', '==', 'ether'), {}, true],
    ['does not come by loopback', compare('meta iiftype', '==', 'loopback'), {}, false],
    ['goes to no device, which has no type', compare('meta oiftype', '!=', 'loopback'), {}, false],
    ['is for us unless it is said', compare('meta pkttype', '==', 'host'), {}, true],
    ['is for many', compare('meta pkttype', '==', 'broadcast', 'multicast'), { packetType: 'multicast' }, true],
    ['is of its family’s type', compare('ether type', '!=', 'arp', 'ip'), {}, false],
    ['has a VLAN tag', compare('ether type', '!=', 'arp', 'ip'), { etherType: 'vlan' }, true],
    ['is of a type without a name', compare('ether type', '!=', 'arp', 'ip', 'ip6'), { etherType: '0x88b5' }, true],
    ['is UDP to a port', compare('udp dport', '==', '67'), {}, true],
    ['is TCP to that port', compare('udp dport', '==', '67'), { protocol: 'tcp' }, false],
    ['has the address of its port', looked(undefined, 'iifname', 'ip saddr'), {}, true],
    ['has not', looked(undefined, 'iifname', 'ip saddr'), { source: '10.1.0.3' }, false],
    ['has it, asked the other way', looked('!=', 'iifname', 'ip saddr'), {}, false],
    ['has not, asked the other way', looked('!=', 'iifname', 'ip saddr'), { source: '10.1.0.3' }, true],
    ['has none, asked the other way', looked('!=', 'iifname', 'ip saddr'), arp, false],
    ['is ARP with that address', looked(undefined, 'iifname', 'arp saddr ip'), arp, true],
    ['is ARP with another', looked(undefined, 'iifname', 'arp saddr ip'), { ...arp, source: '10.1.0.9' }, false],
    ['is ARP and has no protocol', compare('meta l4proto', '!=', 'tcp'), arp, false],
    ['is no ARP', compare('arp saddr ip', '!=', '0.0.0.0'), {}, false],
  ];
  for (const [title, match, rest, holds] of cases) {
    it(`that ${title}`, () => {
      const rules = [{ matches: [match], verdict: { kind: 'drop' } as const }];
      const chain: Chain = { name: 'pre', base: { hook: 'prerouting', priority: -300 }, rules };
      const { verdict } = trace(makeTable([owners], [], [chain]), { ...frame, ...rest });
      assert.equal(verdict, holds ? 'drop' : 'accept');
    });
  }
});

describe('trace of a packet in flight', () => {
  /** c may not reach b on 8081: moved to another class, it still may not. */
  const denied = packetOf({ from: 'c', to: 'b', destinationPort: 8081 });
  /** c may reach b on 8080, before and after. */
  const allowed = packetOf({ from: 'c', to: 'b', destinationPort: 8080 });
  const start = example.ip;
  const ingress = start.maps.get('ingress4')!;
  const copy: Chain = { ...start.chains.get('i-1')!, name: 'i-2' };
  const make: Change[] = [{ verb: 'add chain', chain: copy }];
  const switchOver: Change[] = [
    { verb: 'delete mappings', map: ingress, elements: ['10.1.0.3'] },
    { verb: 'add mappings', map: ingress, elements: new Map([['10.1.0.3', { kind: 'jump', chain: 'i-2' }]]) },
  ];
  const changed = (table: Table, changes: readonly Change[]): Table =>
    applyOperations({ ip: table }, on('ip', changes)).ip!;

  /** Every place among a packet's reads at which a transaction can come, for each transaction. */
  function verdicts(packet: Packet, ...transactions: Change[][]): Set<string> {
    const found = new Set<string>();
    let before = start;
    for (const changes of transactions) {
      const generations = [before, changed(before, changes)];
      for (let change = 0; change < 20; change++) {
        found.add(traceInFlight({ generations, generationAt: (read) => (read < change ? 0 : 1) }, packet).verdict);
      }
      before = generations[1]!;
    }
    return found;
  }

  it('made and switched to in one transaction, a chain is empty for it: a leak', () => {
    assert.deepEqual(verdicts(denied, [...make, ...switchOver]), new Set(['drop', 'accept']));
  });

  it('made first and switched to later, nothing leaks and nothing is lost', () => {
    assert.deepEqual(verdicts(denied, make, switchOver), new Set(['drop']));
    assert.deepEqual(verdicts(allowed, make, switchOver), new Set(['accept']));
  });

  it('rules that a packet does not read yet are there for it two transactions later', () => {
    const made = changed(start, make);
    const generations = [start, made, changed(made, switchOver)];
    const generationAt = (read: number): number => (read === 0 ? 0 : 2);
    assert.equal(traceInFlight({ generations, generationAt }, denied).verdict, 'drop');
  });

  it('an address moved to a set that is looked up earlier, in one transaction, is in none for it: a loss', () => {
    const packet = packetOf({ from: 'd', to: 'b', destinationPort: 9000 });
    const add: Change = {
      verb: 'add elements',
      set: start.sets.get('i-1-t4')!,
      elements: ['10.2.0.3 . tcp . 9000'],
    };
    const remove: Change = {
      verb: 'delete elements',
      set: start.sets.get('i-1-c4')!,
      elements: ['10.0.0.0-10.255.255.255 . tcp . 9000-9100'],
    };
    assert.deepEqual(verdicts(packet, [add, remove]), new Set(['accept', 'drop']));
    assert.deepEqual(verdicts(packet, [add], [remove]), new Set(['accept']));
  });

  it('a set that its rules left and that was deleted still holds what it held', () => {
    const chain = start.chains.get('i-1')!;
    const set = { ...start.sets.get('i-1-t4')!, name: 'i-1-t4-new' };
    const rules: Chain['rules'] = chain.rules.map((rule, i) =>
      i === 0
        ? {
            ...rule,
            matches: [{ kind: 'lookup', key: ['ip saddr', 'meta l4proto', 'th dport'], set: set.name } as const],
          }
        : rule,
    );
    const reply = start.chains.get('i-1-r')!;
    const replyRules = reply.rules.slice(1);
    const replace: Change[] = [
      { verb: 'replace rules', chain: { ...chain, rules } },
      { verb: 'replace rules', chain: { ...reply, rules: replyRules } },
      { verb: 'delete set', name: 'i-1-t4' },
    ];
    assert.deepEqual(verdicts(allowed, [{ verb: 'add set', set }], replace), new Set(['accept']));
  });
});

describe('what a map has for all others', () => {
  const lead = (elements: VerdictMap['elements']): Table => {
    const map: VerdictMap = { name: 'm', key: ['ipv4_addr'], interval: false, elements };
    const vmap: Verdict = { kind: 'vmap', key: ['ip saddr'], map: 'm' };
    const rules = [
      { matches: [], verdict: vmap },
      { matches: [], verdict: { kind: 'drop' } as const },
    ];
    return makeTable([], [map], [{ name: 'forward', base: { hook: 'forward', priority: 0 }, rules }]);
  };
  const own = new Map<string, ElementVerdict>([['10.1.0.2', { kind: 'accept' }]]);
  const packet = packetOf({ from: 'a', to: 'b' });
  const other = packetOf({ from: 'b', to: 'a' });

  it('is what an address gets that has nothing of its own', () => {
    const table = lead(new Map([...own, ['*', { kind: 'accept' }]]));
    assert.equal(trace(lead(own), other).verdict, 'drop');
    assert.equal(trace(table, other).verdict, 'accept');
    assert.equal(trace(table, other).path[0]!.element, '*');
    assert.equal(trace(table, packet).path[0]!.element, '10.1.0.2');
  });

  it('`continue` leads to the next rule', () => {
    assert.equal(trace(lead(new Map([['10.1.0.2', { kind: 'continue' }]])), packet).verdict, 'drop');
  });

  it('is looked for by itself: an element that comes with it may be missed', () => {
    const generations = [lead(new Map()), lead(new Map([...own, ['*', { kind: 'drop' }]]))];
    const verdictAt = (change: number) =>
      traceInFlight({ generations, generationAt: (read) => (read < change ? 0 : 1) }, packet).path[0]!.element;
    assert.deepEqual([1, 2].map(verdictAt), ['10.1.0.2', '*']);
  });
});
