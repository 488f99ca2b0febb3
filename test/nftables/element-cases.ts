import type { Element, ElementVerdict, KeyType, Operation, TableFamily } from '../../src/nftables/ruleset.ts';

/** One operation for each form that the encoder writes. Each object has the name `o`; the table has a chain `c-1`. */
export const elementCases: readonly Operation[] = [
  ...ofSet('ip', ['ipv4_addr'], ['10.0.0.1', '192.168.255.254']),
  ...ofSet('ip', ['ipv4_addr', 'inet_proto', 'inet_service'], ['10.0.0.1 . tcp . 8080', '10.0.0.2 . 47 . 1']),
  ...ofSet('ip', ['ipv4_addr', 'ipv4_addr'], ['10.0.0.1 . 10.0.0.2']),
  ...ofSet('ip', ['inet_proto'], ['udp', 'sctp']),
  ...ofSet('ip', ['inet_service'], ['53']),
  ...ofSet('ip6', ['ipv6_addr'], ['fd00::1']),
  ...ofSet('ip6', ['ipv6_addr', 'inet_proto', 'inet_service'], ['2001:db8::ff . udp . 65535']),
  ...ofSet('bridge', ['ether_addr'], ['02:00:00:00:00:0a']),
  ...ofSet('bridge', ['ifname', 'ether_addr', 'ipv4_addr'], ['veth-1 . 02:00:00:00:00:0a . 10.0.0.1']),
  ...ofSet('bridge', ['ifname'], ['0123456789abcde']),
  ...ofMap(
    'ip',
    ['inet_proto', 'inet_service'],
    [
      ['tcp . 80', { kind: 'accept' }],
      ['tcp . 81', { kind: 'drop' }],
      ['tcp . 82', { kind: 'continue' }],
      ['tcp . 83', { kind: 'return' }],
      ['tcp . 84', { kind: 'jump', chain: 'c-1' }],
      ['tcp . 85', { kind: 'goto', chain: 'c-1' }],
    ],
  ),
  ...ofMap('ip', ['ipv4_addr'], [['*', { kind: 'goto', chain: 'c-1' }]]),
  ...ofMap('ip6', ['ifname', 'ipv6_addr'], [['eth0 . fd00::1', { kind: 'jump', chain: 'c-1' }]]),
  { family: 'ip', verb: 'flush set', name: 'o' },
  { family: 'ip6', verb: 'flush chain', name: 'o' },
  { family: 'ip', verb: 'delete chain', name: 'o' },
  { family: 'ip', verb: 'delete set', name: 'o' },
  { family: 'ip', verb: 'delete map', name: 'o' },
  { family: 'ip', verb: 'add chain', chain: { name: 'o', rules: [] } },
];

function ofSet(family: TableFamily, key: readonly KeyType[], elements: readonly Element[]): Operation[] {
  const set = { name: 'o', key, interval: false, elements: new Set<Element>() };
  return [
    { family, verb: 'add elements', set, elements },
    { family, verb: 'delete elements', set, elements },
  ];
}

function ofMap(
  family: TableFamily,
  key: readonly KeyType[],
  mappings: readonly (readonly [Element, ElementVerdict])[],
): Operation[] {
  const map = { name: 'o', key, interval: false, elements: new Map<Element, ElementVerdict>() };
  return [
    { family, verb: 'add mappings', map, elements: new Map(mappings) },
    { family, verb: 'delete mappings', map, elements: mappings.map(([element]) => element) },
  ];
}
