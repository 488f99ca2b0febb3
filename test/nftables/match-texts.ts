import type { Change, Match, NftSet, TableFamily, Verdict, VerdictMap } from '../../src/nftables/ruleset.ts';

/** Matches and verdicts with the text that nft has for them, by the table in which they may stand. */

const tuples: NftSet = {
  name: 's-4/a.b',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  interval: true,
  elements: new Set(['10.0.0.0-10.0.0.255 . tcp . 80-90', '10.0.1.1 . 0-255 . 53']),
};
const tuples6: NftSet = {
  name: 's-6/a.b',
  key: ['ipv6_addr', 'inet_proto', 'inet_service'],
  interval: true,
  elements: new Set(['fd00::-fd00::ffff . tcp . 80-90', 'fd00:1::1 . 0-255 . 53']),
};
const addresses6: NftSet = { name: 's6', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::1']) };
const ports: NftSet = { name: 'ports', key: ['ifname'], interval: false, elements: new Set(['drop', 'veth-a']) };
const owners4: NftSet = {
  name: 'if-ips4',
  key: ['ifname', 'ipv4_addr'],
  interval: false,
  elements: new Set(['veth-a . 10.0.0.1']),
};
const owners6: NftSet = {
  name: 'if-ips6',
  key: ['ifname', 'ipv6_addr'],
  interval: false,
  elements: new Set(['a:b@c . fd00::1']),
};
const senders4: NftSet = {
  name: 'port-ips4',
  key: ['ifname', 'ether_addr', 'ipv4_addr'],
  interval: false,
  elements: new Set(['veth-a . 02:00:00:00:00:0a . 10.0.0.1']),
};
const noted4: NftSet = {
  name: 'noted4',
  key: ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service'],
  interval: false,
  elements: new Set(),
  records: { seconds: 60, size: 4096 },
};
const noted6: NftSet = {
  ...noted4,
  name: 'noted6',
  key: ['ipv6_addr', 'ipv6_addr', 'inet_proto', 'inet_service'],
};
const flows4: NftSet = {
  name: 'flows4',
  key: ['ifname', 'ifname', 'ipv4_addr', 'ipv4_addr', 'inet_service'],
  interval: false,
  elements: new Set(),
  records: { seconds: 30, size: 32_768 },
};
const flows6: NftSet = {
  ...flows4,
  name: 'flows6',
  key: ['ifname', 'iface_index', 'ipv6_addr', 'ipv6_addr', 'inet_service'],
};
const byDevice: VerdictMap = {
  name: 'by-device',
  key: ['ifname'],
  interval: false,
  elements: new Map([['veth-a', { kind: 'goto', chain: 'c-1' }]]),
};
const verdicts: VerdictMap = {
  name: 'm-4',
  key: ['ipv4_addr', 'inet_proto'],
  interval: true,
  elements: new Map([
    ['10.0.0.1-10.0.0.9 . tcp', { kind: 'goto', chain: 'c-1' }],
    ['10.0.0.1-10.0.0.9 . udp', { kind: 'return' }],
  ]),
};

const verdicts6: VerdictMap = {
  name: 'm-6',
  key: ['ipv6_addr', 'inet_proto'],
  interval: true,
  elements: new Map([
    ['fd00::1-fd00::9 . tcp', { kind: 'goto', chain: 'c-1' }],
    ['fd00::1-fd00::9 . udp', { kind: 'return' }],
  ]),
};

type Texts<Part> = readonly (readonly [Part, string])[];

/** Of packets of IPv4. */
const matches4: Texts<Match> = [
  [
    { kind: 'lookup', key: ['ip saddr', 'meta l4proto', 'th dport'], set: 's-4/a.b' },
    'ip saddr . meta l4proto . th dport @s-4/a.b',
  ],
  // The same set the other way round, for replies.
  [
    { kind: 'lookup', key: ['ip daddr', 'meta l4proto', 'th sport'], set: 's-4/a.b' },
    'ip daddr . meta l4proto . th sport @s-4/a.b',
  ],
  [{ kind: 'lookup', key: ['iifname', 'ip saddr'], set: 'if-ips4' }, 'iifname . ip saddr @if-ips4'],
  [
    { kind: 'lookup', key: ['iifname', 'oifname', 'ip saddr', 'ip daddr', 'tcp dport'], set: 'flows4' },
    'iifname . oifname . ip saddr . ip daddr . tcp dport @flows4',
  ],
  [{ kind: 'lookup', op: '!=', key: ['oifname', 'ip daddr'], set: 'if-ips4' }, 'oifname . ip daddr != @if-ips4'],
  [{ kind: 'compare', field: 'icmp type', op: '!=', values: ['3', '11'] }, 'icmp type != { 3, 11 }'],
  [{ kind: 'compare', field: 'icmp type', op: '==', values: ['8'] }, 'icmp type 8'],
  [{ kind: 'compare', field: 'ip ttl', op: '==', values: ['1'] }, 'ip ttl 1'],
  [{ kind: 'compare', field: 'ip protocol', op: '==', values: ['2'] }, 'ip protocol 2'],
  [{ kind: 'compare', field: 'ip protocol', op: '!=', values: ['tcp', 'udp'] }, 'ip protocol != { tcp, udp }'],
  [{ kind: 'compare', field: 'ip daddr', op: '==', values: ['224.0.0.0/4'] }, 'ip daddr 224.0.0.0/4'],
  [
    { kind: 'compare', field: 'ip saddr', op: '==', values: ['0.0.0.0', '10.0.0.0/8'] },
    'ip saddr { 0.0.0.0, 10.0.0.0/8 }',
  ],
];

/** Of packets of IPv6. */
const matches6: Texts<Match> = [
  [{ kind: 'lookup', key: ['ip6 daddr'], set: 's6' }, 'ip6 daddr @s6'],
  [
    { kind: 'lookup', key: ['ip6 saddr', 'meta l4proto', 'th dport'], set: 's-6/a.b' },
    'ip6 saddr . meta l4proto . th dport @s-6/a.b',
  ],
  [
    { kind: 'lookup', key: ['ip6 daddr', 'meta l4proto', 'th sport'], set: 's-6/a.b' },
    'ip6 daddr . meta l4proto . th sport @s-6/a.b',
  ],
  [{ kind: 'lookup', key: ['iifname', 'ip6 saddr'], set: 'if-ips6' }, 'iifname . ip6 saddr @if-ips6'],
  [
    { kind: 'lookup', key: ['iifname', 'oif', 'ip6 saddr', 'ip6 daddr', 'udp sport'], set: 'flows6' },
    'iifname . oif . ip6 saddr . ip6 daddr . udp sport @flows6',
  ],
  [{ kind: 'lookup', op: '!=', key: ['oifname', 'ip6 daddr'], set: 'if-ips6' }, 'oifname . ip6 daddr != @if-ips6'],
  [{ kind: 'compare', field: 'icmpv6 type', op: '==', values: ['133', '134'] }, 'icmpv6 type { 133, 134 }'],
  [{ kind: 'compare', field: 'icmpv6 type', op: '!=', values: ['1'] }, 'icmpv6 type != 1'],
  [{ kind: 'compare', field: 'ip6 hoplimit', op: '==', values: ['255'] }, 'ip6 hoplimit 255'],
  [{ kind: 'compare', field: 'ip6 saddr', op: '!=', values: ['fe80::/10'] }, 'ip6 saddr != fe80::/10'],
  [{ kind: 'compare', field: 'ip6 saddr', op: '==', values: ['::', 'fe80::/10'] }, 'ip6 saddr { ::, fe80::/10 }'],
];

/** Of packets that belong to a connection; the table of bridges knows none. */
const connectionMatches: Texts<Match> = [
  [{ kind: 'compare', field: 'ct state', op: '!=', values: ['established'] }, 'ct state != established'],
  [{ kind: 'compare', field: 'ct state', op: '==', values: ['new'] }, 'ct state new'],
  [{ kind: 'compare', field: 'ct state', op: '==', values: ['new', 'untracked'] }, 'ct state { new, untracked }'],
  [{ kind: 'compare', field: 'ct direction', op: '==', values: ['reply'] }, 'ct direction reply'],
];

/** The same in a rule of one family. */
const connectionMatches4: Texts<Match> = [
  [
    { kind: 'lookup', key: ['ct original ip saddr', 'ct protocol', 'ct reply proto-src'], set: 's-4/a.b' },
    'ct original ip saddr . ct protocol . ct reply proto-src @s-4/a.b',
  ],
];
const connectionMatches6: Texts<Match> = [
  [{ kind: 'lookup', key: ['ct reply ip6 saddr'], set: 's6' }, 'ct reply ip6 saddr @s6'],
];

/** Of any packet, in any table. */
const anyMatches: Texts<Match> = [
  [{ kind: 'compare', field: 'meta l4proto', op: '==', values: ['sctp'] }, 'meta l4proto sctp'],
  [{ kind: 'compare', field: 'th dport', op: '==', values: ['80', '443'] }, 'th dport { 80, 443 }'],
  [{ kind: 'compare', field: 'th dport', op: '!=', values: ['68'] }, 'th dport != 68'],
  [{ kind: 'lookup', op: '!=', key: ['iifname'], set: 'ports' }, 'iifname != @ports'],
  [{ kind: 'compare', field: 'iifname', op: '==', values: ['lo'] }, 'iifname "lo"'],
  [{ kind: 'compare', field: 'oifname', op: '!=', values: ['a:b@c', 'drop'] }, 'oifname != { "a:b@c", "drop" }'],
  [{ kind: 'compare', field: 'meta iifkind', op: '==', values: ['veth'] }, 'meta iifkind "veth"'],
  [{ kind: 'compare', field: 'meta oifkind', op: '!=', values: ['bridge'] }, 'meta oifkind != "bridge"'],
  [{ kind: 'compare', field: 'meta iiftype', op: '==', values: ['loopback'] }, 'meta iiftype loopback'],
  [{ kind: 'compare', field: 'meta oiftype', op: '!=', values: ['loopback'] }, 'meta oiftype != loopback'],
  [{ kind: 'compare', field: 'meta pkttype', op: '==', values: ['multicast'] }, 'meta pkttype multicast'],
  [
    { kind: 'compare', field: 'meta pkttype', op: '==', values: ['broadcast', 'multicast'] },
    'meta pkttype { broadcast, multicast }',
  ],
  [{ kind: 'compare', field: 'udp dport', op: '==', values: ['67'] }, 'udp dport 67'],
  [{ kind: 'compare', field: 'udp sport', op: '!=', values: ['68', '546'] }, 'udp sport != { 68, 546 }'],
  [{ kind: 'tcp-not-syn' }, 'tcp flags & (fin | syn | rst | ack) != syn'],
  [{ kind: 'sctp-not-init' }, 'meta l4proto sctp sctp chunk init missing'],
  [{ kind: 'from-socket' }, 'meta skuid != 4294967295'],
  [{ kind: 'length', op: '>', bytes: 576 }, 'meta length > 576'],
  [{ kind: 'length', op: '<=', bytes: 80 }, 'meta length <= 80'],
];

/** Of any frame, in the table of bridges alone. */
const frameMatches: Texts<Match> = [
  [{ kind: 'compare', field: 'ether type', op: '!=', values: ['arp', 'ip', 'ip6'] }, 'ether type != { arp, ip, ip6 }'],
  [{ kind: 'compare', field: 'ether type', op: '==', values: ['vlan'] }, 'ether type vlan'],
  [{ kind: 'compare', field: 'ether type', op: '==', values: ['arp'] }, 'ether type arp'],
  [{ kind: 'compare', field: 'arp saddr ip', op: '==', values: ['0.0.0.0'] }, 'arp saddr ip 0.0.0.0'],
  [{ kind: 'lookup', key: ['iifname', 'arp saddr ip'], set: 'if-ips4' }, 'iifname . arp saddr ip @if-ips4'],
  [{ kind: 'lookup', key: ['oifname', 'arp daddr ip'], set: 'if-ips4' }, 'oifname . arp daddr ip @if-ips4'],
  [
    { kind: 'lookup', key: ['iifname', 'ether saddr', 'ip saddr'], set: 'port-ips4' },
    'iifname . ether saddr . ip saddr @port-ips4',
  ],
  [{ kind: 'group-mac' }, 'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00'],
];

export const matchesOf: Readonly<Record<TableFamily, Texts<Match>>> = {
  ip: [...anyMatches, ...connectionMatches, ...connectionMatches4, ...matches4],
  ip6: [...anyMatches, ...connectionMatches, ...connectionMatches6, ...matches6],
  bridge: [...anyMatches, ...matches4, ...matches6, ...frameMatches],
};

const anyVerdicts: Texts<Verdict> = [
  [{ kind: 'accept' }, 'accept'],
  [{ kind: 'drop' }, 'drop'],
  [{ kind: 'return' }, 'return'],
  [{ kind: 'jump', chain: 'c-1' }, 'jump c-1'],
  [{ kind: 'goto', chain: 'c-1' }, 'goto c-1'],
  [{ kind: 'vmap', key: ['oifname'], map: 'by-device' }, 'oifname vmap @by-device'],
  [{ kind: 'continue' }, 'continue'],
];
const vmap4: Texts<Verdict> = [
  [{ kind: 'vmap', key: ['ip saddr', 'meta l4proto'], map: 'm-4' }, 'ip saddr . meta l4proto vmap @m-4'],
];
const vmap6: Texts<Verdict> = [
  [{ kind: 'vmap', key: ['ip6 saddr', 'meta l4proto'], map: 'm-6' }, 'ip6 saddr . meta l4proto vmap @m-6'],
];
export const reset: Verdict = { kind: 'reject-tcp-reset' };

export const verdictsOf: Readonly<Record<TableFamily, Texts<Verdict>>> = {
  ip: [
    ...anyVerdicts,
    ...vmap4,
    [reset, 'reject with tcp reset'],
    [
      {
        kind: 'record',
        key: ['ct original ip saddr', 'ct reply ip saddr', 'ct protocol', 'ct reply proto-src'],
        set: 'noted4',
      },
      'add @noted4 { ct original ip saddr . ct reply ip saddr . ct protocol . ct reply proto-src counter }',
    ],
    [
      { kind: 'remember', key: ['iifname', 'oifname', 'ip saddr', 'ip daddr', 'udp dport'], set: 'flows4' },
      'add @flows4 { iifname . oifname . ip saddr . ip daddr . udp dport }',
    ],
  ],
  ip6: [
    ...anyVerdicts,
    ...vmap6,
    [reset, 'reject with tcp reset'],
    [
      {
        kind: 'record',
        key: ['ct original ip6 saddr', 'ct reply ip6 saddr', 'ct protocol', 'ct reply proto-src'],
        set: 'noted6',
      },
      'add @noted6 { ct original ip6 saddr . ct reply ip6 saddr . ct protocol . ct reply proto-src counter }',
    ],
    [
      { kind: 'remember', key: ['iifname', 'oif', 'ip6 saddr', 'ip6 daddr', 'tcp sport'], set: 'flows6' },
      'add @flows6 { iifname . oif . ip6 saddr . ip6 daddr . tcp sport }',
    ],
  ],
  bridge: [...anyVerdicts, ...vmap4, ...vmap6],
};

/** Sets and maps of either family may be in any table. */
export const standing: readonly Change[] = [
  { verb: 'add table' },
  ...[tuples, tuples6, addresses6, ports, owners4, owners6, senders4, noted4, noted6, flows4, flows6].map(
    (set): Change => ({
      verb: 'add set',
      set,
    }),
  ),
  { verb: 'add chain', chain: { name: 'c-1', rules: [] } },
  ...[verdicts, verdicts6, byDevice].map((map): Change => ({ verb: 'add map', map })),
];
