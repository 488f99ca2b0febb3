import fc from 'fast-check';
import { readElement, writeComponent } from '../../src/nftables/component.ts';
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
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { hooksOf } from '../../src/nftables/ruleset.ts';

/** Rulesets in canonical form, with all of our language in them, that the kernel takes. */

const bits = { ipv4_addr: 32, ipv6_addr: 128, inet_proto: 8, inet_service: 16 } as const;

const devices = ['0123456789abcde', 'a-b', 'a:b@c', 'br.0', 'drop', 'lo', 'veth_1'];

const addressKeys = (address: KeyType): KeyType[][] => [
  [address],
  [address, address],
  [address, 'inet_proto'],
  [address, 'inet_proto', 'inet_service'],
];
const keys: readonly (readonly KeyType[])[] = [
  ...addressKeys('ipv4_addr'),
  ...addressKeys('ipv6_addr'),
  ['inet_proto', 'inet_service'],
  ['ifname'],
  ['ifname', 'ipv4_addr'],
  ['ifname', 'ipv6_addr'],
];

/** Few values, so that elements meet; the ends and powers of two, where prefixes and ranges differ. */
function value(type: keyof typeof bits): fc.Arbitrary<bigint> {
  const last = (1n << BigInt(bits[type])) - 1n;
  const some = [0n, 1n, 2n, 3n, 4n, 6n, 7n, 8n, 16n, 17n, 58n, 132n, 255n, last - 1n, last];
  const high =
    bits[type] > 16 ? [0xffff_0102_0304n & last, 0x0a00_0000n, 0x0a00_00ffn, 0x0a00_0100n, 0x7f00_0001n] : [];
  return fc.constantFrom(...some, ...high);
}

function component(type: KeyType, interval: boolean): fc.Arbitrary<string> {
  if (type === 'ifname') return fc.constantFrom(...devices);
  const single = value(type).map((first) => writeComponent(type, { first, last: first }));
  if (!interval) return single;
  const range = fc
    .tuple(value(type), value(type))
    .map(([a, b]) => writeComponent(type, a < b ? { first: a, last: b } : { first: b, last: a }));
  return fc.oneof(single, range);
}

export function element(key: readonly KeyType[], interval: boolean): fc.Arbitrary<Element> {
  return fc.tuple(...key.map((type) => component(type, interval))).map((parts) => parts.join(' . '));
}

/** Those of the elements that overlap none before them. */
export function disjoint(key: readonly KeyType[], elements: readonly Element[]): Element[] {
  const kept: Element[] = [];
  for (const each of elements) if (!kept.some((other) => overlap(key, each, other))) kept.push(each);
  return kept;
}

export function overlap(key: readonly KeyType[], a: Element, b: Element): boolean {
  const [as, bs] = [readElement(key, a)!, readElement(key, b)!];
  return as.every((interval, i) => interval.first <= bs[i]!.last && bs[i]!.first <= interval.last);
}

interface Header {
  readonly key: readonly KeyType[];
  readonly interval: boolean;
}
/** Interval sets of one component are never written (design: the kernel hands them back at every change), and none of devices. */
export const header: fc.Arbitrary<Header> = fc
  .tuple(fc.constantFrom(...keys), fc.boolean())
  .map(([key, interval]) => ({ key, interval: interval && key.length > 1 && !key.includes('ifname') }));

const elementsOf = ({ key, interval }: Header): fc.Arbitrary<Element[]> =>
  fc.array(element(key, interval), { maxLength: 8 }).map((elements) => disjoint(key, elements));

export const setNames = ['s', 's-a/b.c', 'S_1', '.s', `s-${'x'.repeat(20)}`];
export const mapNames = ['m', 'm-4/x', 'egress4-r'];
/** A chain refers only to those before it; a map only to the first two, which look up in no map. */
export const chainNames = ['c0', 'c-1/a.b', 'c2', 'c3', `c-${'y'.repeat(20)}`];

const sets: fc.Arbitrary<NftSet[]> = fc
  .subarray(setNames)
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        header.chain((each) => elementsOf(each).map((elements) => ({ name, ...each, elements: new Set(elements) }))),
      ),
    ),
  );

export function elementVerdict(chains: readonly string[]): fc.Arbitrary<ElementVerdict> {
  const plain = fc.constantFrom<ElementVerdict[]>({ kind: 'return' }, { kind: 'accept' }, { kind: 'drop' });
  if (chains.length === 0) return plain;
  const kind = fc.constantFrom('jump' as const, 'goto' as const);
  return fc.oneof(
    plain,
    fc.tuple(kind, fc.constantFrom(...chains)).map(([each, chain]) => ({ kind: each, chain })),
  );
}

function maps(chains: readonly string[]): fc.Arbitrary<VerdictMap[]> {
  return fc.subarray(mapNames).chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        header.chain((each) =>
          elementsOf(each).chain((elements) =>
            fc.tuple(...elements.map(() => elementVerdict(chains))).map((verdicts) => ({
              name,
              ...each,
              elements: new Map(elements.map((text, i) => [text, verdicts[i]!])),
            })),
          ),
        ),
      ),
    ),
  );
}

/** What a rule reads: packets of one of these, or only what every frame has. */
type Layer = 'ip' | 'ip6' | 'arp' | 'frame';
/** What it reads of ports: none, those of any protocol, of one that it matches, or of UDP without matching that. */
type About = 'protocol' | 'ports' | 'tcp' | 'udp';

const layers: Readonly<Record<TableFamily, readonly Layer[]>> = {
  inet: ['ip', 'ip6'],
  bridge: ['ip', 'ip6', 'arp', 'frame'],
};

const addressFields: Readonly<Record<Layer, Partial<Record<KeyType, readonly Field[]>>>> = {
  ip: { ipv4_addr: ['ip saddr', 'ip daddr'], inet_proto: ['meta l4proto'] },
  ip6: { ipv6_addr: ['ip6 saddr', 'ip6 daddr'], inet_proto: ['meta l4proto'] },
  arp: { ipv4_addr: ['arp saddr ip'] },
  frame: {},
};

const portFields: Readonly<Record<About, readonly Field[]>> = {
  protocol: [],
  ports: ['th sport', 'th dport'],
  tcp: ['th sport', 'th dport'],
  udp: ['udp sport', 'udp dport'],
};

/** Fields for the key of a set, if such a rule has them. */
function keyFields(layer: Layer, about: About, key: readonly KeyType[]): fc.Arbitrary<Field[]> | undefined {
  const fields: Partial<Record<KeyType, readonly Field[]>> = {
    ...addressFields[layer],
    inet_service: portFields[about],
    ifname: ['iifname', 'oifname'],
  };
  const choices = key.map((type) => fields[type] ?? []);
  if (choices.some((each) => each.length === 0)) return undefined;
  return fc.tuple(...choices.map((each) => fc.constantFrom(...each)));
}

const op = fc.constantFrom('==' as const, '!=' as const);

function compare(field: Field, values: readonly string[]): fc.Arbitrary<Match> {
  return fc
    .tuple(op, fc.subarray([...values], { minLength: 1 }))
    .map(([operator, some]) => ({ kind: 'compare', field, op: operator, values: some }));
}

const numbers = ['0', '1', '3', '11', '12', '64', '133', '255'];
const protocols = ['2', '50', 'sctp', 'tcp', 'udp'];

/** What a rule may say of the protocol, in the order in which nft lists it. With these it reads no ports: nft would list them otherwise. */
const protocolParts: Readonly<Record<Layer, readonly fc.Arbitrary<Match[]>[]>> = {
  ip: [
    compare('meta l4proto', protocols).map((match) => [match]),
    compare('icmp type', numbers).map((match) => [match]),
    fc.tuple(compare('ip ttl', numbers), compare('ip protocol', protocols)).map((matches) => [...matches]),
  ],
  ip6: [
    compare('meta l4proto', protocols).map((match) => [match]),
    fc.tuple(compare('icmpv6 type', numbers), compare('ip6 hoplimit', numbers)).map((matches) => [...matches]),
  ],
  arp: [fc.constant([])],
  frame: [compare('ether type', ['arp', 'ip', 'ip6', 'vlan']).map((match) => [match])],
};
const portParts: readonly fc.Arbitrary<Match[]>[] = [
  fc.constant([]),
  compare('th dport', ['1', '80', '443', '65535']).map((match) => [match]),
  fc.constant([{ kind: 'sctp-not-init' }]),
];
const tcpParts: readonly fc.Arbitrary<Match[]>[] = [fc.constant([]), fc.constant([{ kind: 'tcp-not-syn' }])];

const udpParts: readonly fc.Arbitrary<Match[]>[] = [
  compare('udp dport', ['53', '67', '547']).map((match) => [match]),
  fc.tuple(compare('udp sport', ['68']), compare('udp dport', ['67'])).map((matches) => [...matches]),
];

const addresses: Readonly<Record<Layer, readonly fc.Arbitrary<Match>[]>> = {
  ip: [
    compare('ip saddr', ['10.0.0.1', '10.0.0.2', '9.9.9.9'].sort()),
    fc.constant({ kind: 'compare', field: 'ip daddr', op: '==', values: ['224.0.0.0/4'] }),
    fc.constant({ kind: 'compare', field: 'ip daddr', op: '!=', values: ['10.0.0.3-10.0.0.9'] }),
  ],
  ip6: [
    compare('ip6 saddr', ['::1', 'fd00::1', '::ffff:1.2.3.4'].sort()),
    fc.constant({ kind: 'compare', field: 'ip6 daddr', op: '==', values: ['ff00::/8'] }),
  ],
  arp: [compare('arp saddr ip', ['0.0.0.0', '10.0.0.1'])],
  frame: [],
};

const deviceMatches: readonly fc.Arbitrary<Match>[] = [
  compare('iifname', devices),
  compare('oifname', devices),
  compare('meta iifkind', ['bridge', 'veth']),
  compare('meta oifkind', ['veth']),
  compare('meta pkttype', ['broadcast', 'host', 'multicast', 'other']),
];

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.option(arbitrary, { nil: undefined }).map((each) => (each === undefined ? [] : [each]));

const commentCharacters = String.raw` abXY09;{}[]()'\$#@!*/-_.,:=<>&|~é`.split('');

const comment = fc
  .string({ unit: fc.constantFrom(...commentCharacters), maxLength: 60 })
  .filter((text) => text.length > 0);

export function rule(
  tableFamily: TableFamily,
  sets: readonly NftSet[],
  maps: readonly VerdictMap[],
  chains: readonly string[],
): fc.Arbitrary<NftRule> {
  const about = fc.constantFrom<About[]>('protocol', 'ports', 'tcp', 'udp');
  return fc
    .tuple(fc.constantFrom(...layers[tableFamily]), about)
    .chain(([layer, aboutPorts]) =>
      ruleAbout(tableFamily, layer, layer === 'ip' || layer === 'ip6' ? aboutPorts : 'protocol', sets, maps, chains),
    );
}

function ruleAbout(
  tableFamily: TableFamily,
  layer: Layer,
  about: About,
  sets: readonly NftSet[],
  maps: readonly VerdictMap[],
  chains: readonly string[],
): fc.Arbitrary<NftRule> {
  const lookups = sets.flatMap(({ name, key }): fc.Arbitrary<Match>[] => {
    const fields = keyFields(layer, about, key);
    if (!fields) return [];
    return [
      fields.map((each) => ({ kind: 'lookup', key: each, set: name })),
      fields.map((each) => ({ kind: 'lookup', op: '!=', key: each, set: name })),
    ];
  });
  const vmaps = maps.flatMap(({ name, key }): fc.Arbitrary<Verdict>[] => {
    const fields = keyFields(layer, about, key);
    return fields ? [fields.map((each) => ({ kind: 'vmap', key: each, map: name }))] : [];
  });
  const parts = { tcp: tcpParts, udp: udpParts, ports: portParts, protocol: protocolParts[layer] }[about];
  const isInet = tableFamily === 'inet';
  const reset: fc.Arbitrary<Verdict>[] = about === 'tcp' && isInet ? [fc.constant({ kind: 'reject-tcp-reset' })] : [];
  const none = fc.constant<Match[]>([]);
  return fc
    .record({
      device: optional(fc.oneof(...deviceMatches)),
      state: isInet ? optional(compare('ct state', ['established', 'invalid', 'new', 'related', 'untracked'])) : none,
      direction: isInet ? optional(compare('ct direction', ['original'])) : none,
      part: fc.oneof(...parts),
      lookups: lookups.length > 0 ? fc.array(fc.oneof(...lookups), { maxLength: 2 }) : none,
      address: addresses[layer].length > 0 ? optional(fc.oneof(...addresses[layer])) : none,
      counter: fc.boolean(),
      verdict: fc.oneof(elementVerdict(chains), fc.constant<Verdict>({ kind: 'continue' }), ...vmaps, ...reset),
      comment: optional(comment),
    })
    .map(({ device, state, direction, part, lookups: looked, address, counter, verdict, comment: [text] }) => ({
      matches: [...device, ...state, ...direction, ...part, ...looked, ...address],
      ...(counter && { counter }),
      verdict,
      ...(text !== undefined && { comment: text }),
    }));
}

function tables(family: TableFamily): fc.Arbitrary<Table> {
  return fc.tuple(sets, fc.subarray(chainNames)).chain(([someSets, names]) =>
    maps(names.filter((name) => chainNames.indexOf(name) < 2)).chain((someMaps) => {
      const plain = names.map((name, i) => {
        const usable = chainNames.indexOf(name) < 2 ? [] : someMaps;
        return fc
          .array(rule(family, someSets, usable, names.slice(0, i)), { maxLength: 4 })
          .map((rules): Chain => ({ name, rules }));
      });
      const base = [...hooksOf[family]].map((hook) =>
        fc
          .tuple(fc.constantFrom(-10, -300, 0, 17), fc.array(rule(family, someSets, someMaps, names), { maxLength: 4 }))
          .map(([priority, rules]): Chain => ({ name: hook, base: { hook, priority }, rules })),
      );
      return fc.tuple(...plain, ...base).map((chains) => rulesetOf(someSets, someMaps, chains));
    }),
  );
}

export const rulesets: fc.Arbitrary<Ruleset> = fc
  .tuple(tables('inet'), optional(tables('bridge')))
  .map(([inet, [bridge]]) => ({ ...inet, ...(bridge && { bridge }) }));

export function rulesetOf(sets: readonly NftSet[], maps: readonly VerdictMap[], chains: readonly Chain[]): Ruleset {
  return { sets: byName(sets), maps: byName(maps), chains: byName(chains) };
}

function byName<T extends { readonly name: string }>(objects: readonly T[]): Map<string, T> {
  return new Map(objects.map((object) => [object.name, object]));
}
