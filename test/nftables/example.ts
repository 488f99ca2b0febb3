import type {
  Chain,
  Element,
  ElementVerdict,
  Field,
  KeyType,
  Match,
  NftRule,
  NftSet,
  Ruleset,
  Verdict,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { rulesetOf } from './random-ruleset.ts';

/**
 * A node by hand, as design.md section 2 has it. Pod a (10.1.0.2, fd01::2): egress isolated. Pod b (10.1.0.3, fd01::3): isolated both
 * ways, its egress allows nothing.
 */

const fields = {
  4: { source: 'ip saddr', destination: 'ip daddr' },
  6: { source: 'ip6 saddr', destination: 'ip6 daddr' },
} as const;
const addressType: Readonly<Record<4 | 6, KeyType>> = { 4: 'ipv4_addr', 6: 'ipv6_addr' };

const verdictMap = (name: string, family: 4 | 6, mappings: Readonly<Record<Element, string>>): VerdictMap => ({
  name,
  key: [addressType[family]],
  interval: false,
  elements: new Map(
    Object.entries(mappings).map(([each, chain]): [Element, ElementVerdict] => [each, { kind: 'jump', chain }]),
  ),
});

const set = (name: string, key: readonly KeyType[], interval: boolean, ...elements: Element[]): NftSet => ({
  name,
  key,
  interval,
  elements: new Set(elements),
});

const maps = [
  verdictMap('egress4', 4, { '10.1.0.2': 'e-1', '10.1.0.3': 'e-none' }),
  verdictMap('egress6', 6, { 'fd01::2': 'e-1', 'fd01::3': 'e-none' }),
  verdictMap('ingress4', 4, { '10.1.0.3': 'i-1' }),
  verdictMap('ingress6', 6, { 'fd01::3': 'i-1' }),
  verdictMap('egress4-r', 4, { '10.1.0.2': 'e-1-r', '10.1.0.3': 'e-none' }),
  verdictMap('egress6-r', 6, { 'fd01::2': 'e-1-r', 'fd01::3': 'e-none' }),
  verdictMap('ingress4-r', 4, { '10.1.0.3': 'i-1-r' }),
  verdictMap('ingress6-r', 6, { 'fd01::3': 'i-1-r' }),
];

const sets = [
  set('isolated4', ['ipv4_addr'], false, '10.1.0.2', '10.1.0.3'),
  set('isolated6', ['ipv6_addr'], false, 'fd01::2', 'fd01::3'),
  set('self4', ['ipv4_addr', 'ipv4_addr'], false, '10.1.0.2 . 10.1.0.2', '10.1.0.3 . 10.1.0.3'),
  set('self6', ['ipv6_addr', 'ipv6_addr'], false, 'fd01::2 . fd01::2', 'fd01::3 . fd01::3'),
  set('i-1-t4', ['ipv4_addr', 'inet_proto', 'inet_service'], false, '10.1.0.2 . tcp . 8080', '10.2.0.2 . tcp . 8080'),
  set('i-1-t6', ['ipv6_addr', 'inet_proto', 'inet_service'], false, 'fd01::2 . tcp . 8080', 'fd02::2 . tcp . 8080'),
  set(
    'i-1-c4',
    ['ipv4_addr', 'inet_proto', 'inet_service'],
    true,
    '10.0.0.0-10.255.255.255 . tcp . 9000-9100',
    '10.0.0.0-10.255.255.255 . udp . 5300-5310',
  ),
  set(
    'i-1-c6',
    ['ipv6_addr', 'inet_proto', 'inet_service'],
    true,
    'fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff . tcp . 9000-9100',
    'fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff . udp . 5300-5310',
  ),
  set('i-1-a4', ['ipv4_addr', 'inet_proto'], true, '172.20.0.0-172.20.0.255 . 0-255'),
  set('i-1-a6', ['ipv6_addr', 'inet_proto'], true, 'fd20::-fd20::ffff:ffff:ffff:ffff . 0-255'),
  set(
    'e-1-c4',
    ['ipv4_addr', 'inet_proto', 'inet_service'],
    true,
    '10.1.0.3 . tcp . 8080',
    '10.2.0.3 . tcp . 8080',
    '10.0.0.0-10.255.255.255 . tcp . 9000-9100',
    '0.0.0.0-255.255.255.255 . udp . 5300-5310',
  ),
  set(
    'e-1-c6',
    ['ipv6_addr', 'inet_proto', 'inet_service'],
    true,
    'fd01::3 . tcp . 8080',
    'fd02::3 . tcp . 8080',
    'fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff . tcp . 9000-9100',
    '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff . udp . 5300-5310',
  ),
];

const compare = (field: Field, op: '==' | '!=', ...values: string[]): Match => ({ kind: 'compare', field, op, values });
const lookup = (name: string, ...key: Field[]): Match => ({ kind: 'lookup', key, set: name });
const rule = (verdict: Verdict, ...matches: Match[]): NftRule => ({ matches, verdict });
const accept: Verdict = { kind: 'accept' };
const goBack: Verdict = { kind: 'return' };
const goTo = (chain: string): Verdict => ({ kind: 'goto', chain });
const vmap = (field: Field, map: string): NftRule => rule({ kind: 'vmap', key: [field], map });

const allow = (end: 'source' | 'destination', port: Field, ...names: string[]): NftRule[] =>
  names.map((name) => {
    const address = fields[name.endsWith('4') ? 4 : 6][end];
    const key: Field[] = name.includes('-a') ? [address, 'meta l4proto'] : [address, 'meta l4proto', port];
    return rule(goBack, lookup(name, ...key));
  });

const ingressSets = ['i-1-t4', 'i-1-c4', 'i-1-a4', 'i-1-t6', 'i-1-c6', 'i-1-a6'];
const egressSets = ['e-1-c4', 'e-1-c6'];

const deny: readonly NftRule[] = [
  rule(goBack, lookup('self4', 'ip saddr', 'ip daddr')),
  rule(goBack, lookup('self6', 'ip6 saddr', 'ip6 daddr')),
  { matches: [], counter: true, verdict: { kind: 'drop' } },
];

const midstream = (field: Field, name: string): NftRule =>
  rule(goTo('midstream'), compare('ct state', '==', 'new'), { kind: 'tcp-not-syn' }, lookup(name, field));

const jumpToSpecial = rule({ kind: 'jump', chain: 'special' }, compare('ct state', '!=', 'established'));
const isReply = compare('ct direction', '==', 'reply');

const chains: readonly Chain[] = [
  { name: 'i-1', rules: [...allow('source', 'th dport', ...ingressSets), rule(goTo('deny-ingress'))] },
  { name: 'i-1-r', rules: [...allow('destination', 'th sport', ...ingressSets), rule(goTo('deny-ingress'))] },
  { name: 'e-1', rules: [...allow('destination', 'th dport', ...egressSets), rule(goTo('deny-egress'))] },
  { name: 'e-1-r', rules: [...allow('source', 'th sport', ...egressSets), rule(goTo('deny-egress'))] },
  { name: 'e-none', rules: [rule(goTo('deny-egress'))] },
  { name: 'deny-ingress', rules: deny },
  { name: 'deny-egress', rules: deny },
  { name: 'midstream', rules: [rule({ kind: 'reject-tcp-reset' })] },
  {
    name: 'special',
    rules: [
      rule(
        accept,
        compare('icmpv6 type', '==', '133', '134', '135', '136', '137'),
        compare('ip6 hoplimit', '==', '255'),
      ),
      rule(
        accept,
        compare('icmpv6 type', '==', '130', '131', '132', '143'),
        compare('ip6 hoplimit', '==', '1'),
        compare('ip6 daddr', '==', 'ff00::/8'),
      ),
      rule(
        accept,
        compare('ip ttl', '==', '1'),
        compare('ip protocol', '==', '2'),
        compare('ip daddr', '==', '224.0.0.0/4'),
      ),
      rule(accept, compare('ct state', '==', 'related'), compare('icmp type', '==', '3', '11', '12')),
      rule(accept, compare('ct state', '==', 'related'), compare('icmpv6 type', '==', '1', '2', '3', '4')),
      midstream('ip saddr', 'isolated4'),
      midstream('ip daddr', 'isolated4'),
      midstream('ip6 saddr', 'isolated6'),
      midstream('ip6 daddr', 'isolated6'),
    ],
  },
  {
    name: 'replies',
    rules: [
      vmap('ip daddr', 'egress4-r'),
      vmap('ip saddr', 'ingress4-r'),
      vmap('ip6 daddr', 'egress6-r'),
      vmap('ip6 saddr', 'ingress6-r'),
    ],
  },
  {
    name: 'forward',
    base: { hook: 'forward', priority: -10 },
    rules: [
      jumpToSpecial,
      rule(goTo('replies'), isReply),
      vmap('ip saddr', 'egress4'),
      vmap('ip daddr', 'ingress4'),
      vmap('ip6 saddr', 'egress6'),
      vmap('ip6 daddr', 'ingress6'),
    ],
  },
  {
    name: 'input',
    base: { hook: 'input', priority: -10 },
    rules: [jumpToSpecial, rule(accept, isReply), vmap('ip saddr', 'egress4'), vmap('ip6 saddr', 'egress6')],
  },
  {
    name: 'output',
    base: { hook: 'output', priority: -10 },
    rules: [midstream('ip daddr', 'isolated4'), midstream('ip6 daddr', 'isolated6')],
  },
];

export const example: Ruleset = rulesetOf(sets, maps, chains);
