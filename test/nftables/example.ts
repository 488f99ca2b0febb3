import type {
  Chain,
  Element,
  ElementVerdict,
  Field,
  KeyType,
  Match,
  NftRule,
  NftSet,
  Table,
  Verdict,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { makeTable } from './make-table.ts';

/**
 * A node by hand, as design.md section 2 has it. Pod a (10.1.0.2, fd01::2): egress isolated. Pod b (10.1.0.3, fd01::3): isolated both
 * ways, its egress allows nothing. c and d are pods of another node.
 */

/** What differs between the tables. */
interface Words {
  readonly digit: 4 | 6;
  readonly address: KeyType;
  readonly source: Field;
  readonly destination: Field;
  readonly pods: Readonly<Record<'a' | 'b' | 'c' | 'd', string>>;
  /** A block with ports, one that is allowed on every protocol, and all that there is. */
  readonly block: string;
  readonly friends: string;
  readonly all: string;
  /** What is not judged, and errors about what was. */
  readonly control: readonly (readonly Match[])[];
  readonly error: Match;
}

const compare = (field: Field, op: '==' | '!=', ...values: string[]): Match => ({ kind: 'compare', field, op, values });

const words4: Words = {
  digit: 4,
  address: 'ipv4_addr',
  source: 'ip saddr',
  destination: 'ip daddr',
  pods: { a: '10.1.0.2', b: '10.1.0.3', c: '10.2.0.2', d: '10.2.0.3' },
  block: '10.0.0.0-10.255.255.255',
  friends: '172.20.0.0-172.20.0.255',
  all: '0.0.0.0-255.255.255.255',
  control: [
    [compare('ip ttl', '==', '1'), compare('ip protocol', '==', '2'), compare('ip daddr', '==', '224.0.0.0/4')],
  ],
  error: compare('icmp type', '==', '3', '11', '12'),
};

const words6: Words = {
  digit: 6,
  address: 'ipv6_addr',
  source: 'ip6 saddr',
  destination: 'ip6 daddr',
  pods: { a: 'fd01::2', b: 'fd01::3', c: 'fd02::2', d: 'fd02::3' },
  block: 'fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  friends: 'fd20::-fd20::ffff:ffff:ffff:ffff',
  all: '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  control: [
    [compare('icmpv6 type', '==', '133', '134', '135', '136', '137'), compare('ip6 hoplimit', '==', '255')],
    [
      compare('icmpv6 type', '==', '130', '131', '132', '143'),
      compare('ip6 hoplimit', '==', '1'),
      compare('ip6 daddr', '==', 'ff00::/8'),
    ],
  ],
  error: compare('icmpv6 type', '==', '1', '2', '3', '4'),
};

function mapsOf({ digit, address, pods: { a, b } }: Words): VerdictMap[] {
  const map = (name: string, mappings: Readonly<Record<Element, string>>): VerdictMap => ({
    name,
    key: [address],
    interval: false,
    elements: new Map(
      Object.entries(mappings).map(([each, chain]): [Element, ElementVerdict] => [each, { kind: 'jump', chain }]),
    ),
  });
  return [
    map(`egress${digit}`, { [a]: 'e-1', [b]: 'e-none' }),
    map(`ingress${digit}`, { [b]: 'i-1' }),
    map(`egress${digit}-r`, { [a]: 'e-1-r', [b]: 'e-none' }),
    map(`ingress${digit}-r`, { [b]: 'i-1-r' }),
  ];
}

function setsOf({ digit, address, pods: { a, b, c, d }, block, friends, all }: Words): NftSet[] {
  const set = (name: string, key: readonly KeyType[], interval: boolean, ...elements: Element[]): NftSet => ({
    name,
    key,
    interval,
    elements: new Set(elements),
  });
  const tuple: KeyType[] = [address, 'inet_proto', 'inet_service'];
  return [
    set(`isolated${digit}`, [address], false, a, b),
    set(`self${digit}`, [address, address], false, `${a} . ${a}`, `${b} . ${b}`),
    set(`i-1-t${digit}`, tuple, false, `${a} . tcp . 8080`, `${c} . tcp . 8080`),
    set(`i-1-c${digit}`, tuple, true, `${block} . tcp . 9000-9100`, `${block} . udp . 5300-5310`),
    set(`i-1-a${digit}`, [address, 'inet_proto'], true, `${friends} . 0-255`),
    set(
      `e-1-c${digit}`,
      tuple,
      true,
      `${b} . tcp . 8080`,
      `${d} . tcp . 8080`,
      `${block} . tcp . 9000-9100`,
      `${all} . udp . 5300-5310`,
    ),
  ];
}

const lookup = (name: string, ...key: Field[]): Match => ({ kind: 'lookup', key, set: name });
const rule = (verdict: Verdict, ...matches: Match[]): NftRule => ({ matches, verdict });
const accept: Verdict = { kind: 'accept' };
const goBack: Verdict = { kind: 'return' };
const goTo = (chain: string): Verdict => ({ kind: 'goto', chain });
const vmap = (field: Field, map: string): NftRule => rule({ kind: 'vmap', key: [field], map });
const isReply = compare('ct direction', '==', 'reply');

function chainsOf({ digit, source, destination, control, error }: Words): Chain[] {
  const egressOf = (address: Field, port: Field): NftRule[] => [
    rule(goBack, lookup(`e-1-c${digit}`, address, 'meta l4proto', port)),
    rule(goTo('deny-egress')),
  ];
  const ingressOf = (address: Field, port: Field): NftRule[] => [
    rule(goBack, lookup(`i-1-t${digit}`, address, 'meta l4proto', port)),
    rule(goBack, lookup(`i-1-c${digit}`, address, 'meta l4proto', port)),
    rule(goBack, lookup(`i-1-a${digit}`, address, 'meta l4proto')),
    rule(goTo('deny-ingress')),
  ];
  const deny: readonly NftRule[] = [
    rule(goBack, lookup(`self${digit}`, source, destination)),
    { matches: [], counter: true, verdict: { kind: 'drop' } },
  ];
  const midstream = (field: Field): NftRule =>
    rule(
      goTo('midstream'),
      compare('ct state', '==', 'new'),
      { kind: 'tcp-not-syn' },
      lookup(`isolated${digit}`, field),
    );
  const jumpToSpecial = rule({ kind: 'jump', chain: 'special' }, compare('ct state', '!=', 'established'));
  const base = (hook: 'forward' | 'input' | 'output', ...rules: NftRule[]): Chain => ({
    name: hook,
    base: { hook, priority: -10 },
    rules,
  });
  return [
    { name: 'i-1', rules: ingressOf(source, 'th dport') },
    { name: 'i-1-r', rules: ingressOf(destination, 'th sport') },
    { name: 'e-1', rules: egressOf(destination, 'th dport') },
    { name: 'e-1-r', rules: egressOf(source, 'th sport') },
    { name: 'e-none', rules: [rule(goTo('deny-egress'))] },
    { name: 'deny-ingress', rules: deny },
    { name: 'deny-egress', rules: deny },
    { name: 'midstream', rules: [rule({ kind: 'reject-tcp-reset' })] },
    {
      name: 'special',
      rules: [
        ...control.map((matches) => rule(accept, ...matches)),
        rule(accept, compare('ct state', '==', 'related'), error),
        midstream(source),
        midstream(destination),
      ],
    },
    { name: 'replies', rules: [vmap(destination, `egress${digit}-r`), vmap(source, `ingress${digit}-r`)] },
    base(
      'forward',
      jumpToSpecial,
      rule(goTo('replies'), isReply),
      vmap(source, `egress${digit}`),
      vmap(destination, `ingress${digit}`),
    ),
    base('input', jumpToSpecial, rule(accept, isReply), vmap(source, `egress${digit}`)),
    base('output', midstream(destination)),
  ];
}

const tableIn = (words: Words): Table => makeTable(setsOf(words), mapsOf(words), chainsOf(words));

export const example = { ip: tableIn(words4), ip6: tableIn(words6) };
