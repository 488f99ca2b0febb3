import fc from 'fast-check';
import type {
  ElementVerdict,
  Field,
  KeyType,
  Match,
  NftRule,
  NftSet,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { devices } from './random-element.ts';

/** Rules in canonical form, as nft takes them in the table of a family. */

/** What a rule reads: packets of one of these, or only what every frame has. */
type Layer = 'ip' | 'ip6' | 'arp' | 'frame';
/** What it reads of ports: none, those of any protocol, of one that it matches, or of UDP without matching that. */
type About = 'protocol' | 'ports' | 'tcp' | 'udp';

const layers: Readonly<Record<TableFamily, readonly Layer[]>> = {
  ip: ['ip'],
  ip6: ['ip6'],
  bridge: ['ip', 'ip6', 'arp', 'frame'],
};

type Fields = Readonly<Partial<Record<KeyType, readonly Field[]>>>;

const addressFields: Readonly<Record<Layer, Fields>> = {
  ip: { ipv4_addr: ['ip saddr', 'ip daddr'], inet_proto: ['meta l4proto'] },
  ip6: { ipv6_addr: ['ip6 saddr', 'ip6 daddr'], inet_proto: ['meta l4proto'] },
  arp: { ipv4_addr: ['arp saddr ip', 'arp daddr ip'] },
  frame: {},
};

const portFields: Readonly<Record<About, readonly Field[]>> = {
  protocol: [],
  ports: ['th sport', 'th dport'],
  tcp: ['th sport', 'th dport'],
  udp: ['udp sport', 'udp dport'],
};

/** Of the connection, which is noted and never matched. */
const connectionFields: Readonly<Record<TableFamily, Fields>> = {
  ip: {
    ipv4_addr: ['ct original ip saddr', 'ct reply ip saddr'],
    inet_proto: ['ct protocol'],
    inet_service: ['ct reply proto-src'],
  },
  ip6: {
    ipv6_addr: ['ct original ip6 saddr', 'ct reply ip6 saddr'],
    inet_proto: ['ct protocol'],
    inet_service: ['ct reply proto-src'],
  },
  bridge: {},
};

/** Fields for the key of a set, if there are such. */
function keyFields(fields: Fields, key: readonly KeyType[]): fc.Arbitrary<Field[]> | undefined {
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
    fc.constant({ kind: 'compare', field: 'ip6 daddr', op: '!=', values: ['fd00::3-fd00::9'] }),
  ],
  arp: [compare('arp saddr ip', ['0.0.0.0', '10.0.0.1'])],
  frame: [],
};

/** Of any packet, in any table. */
const anywhere: readonly fc.Arbitrary<Match>[] = [
  compare('iifname', devices),
  compare('oifname', devices),
  compare('meta iifkind', ['bridge', 'veth']),
  compare('meta oifkind', ['veth']),
  compare('meta pkttype', ['broadcast', 'host', 'multicast', 'other']),
  fc.constant({ kind: 'from-socket' }),
  fc.constantFrom<Match>({ kind: 'length', op: '>', bytes: 46 }, { kind: 'length', op: '<=', bytes: 1280 }),
];

/** In the table of bridges, nft leaves them out of its listing (K53). */
const routedOnly: readonly fc.Arbitrary<Match>[] = [
  compare('meta iiftype', ['loopback']),
  compare('meta oiftype', ['loopback']),
];

export const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.option(arbitrary, { nil: undefined }).map((each) => (each === undefined ? [] : [each]));

const commentCharacters = String.raw` abXY09;{}[]()'\$#@!*/-_.,:=<>&|~é`.split('');

const comment = fc
  .string({ unit: fc.constantFrom(...commentCharacters), maxLength: 60 })
  .filter((text) => text.length > 0);

export function elementVerdict(chains: readonly string[]): fc.Arbitrary<ElementVerdict> {
  const kinds = ['return', 'accept', 'drop', 'continue'] as const;
  const plain = fc.constantFrom(...kinds).map((kind): ElementVerdict => ({ kind }));
  if (chains.length === 0) return plain;
  const kind = fc.constantFrom('jump' as const, 'goto' as const);
  return fc.oneof(
    plain,
    fc.tuple(kind, fc.constantFrom(...chains)).map(([each, chain]) => ({ kind: each, chain })),
  );
}

/** What rules of a table may refer to. */
interface Surroundings {
  readonly family: TableFamily;
  readonly sets: readonly NftSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly string[];
}

export function rule(around: Surroundings): fc.Arbitrary<NftRule> {
  const about = fc.constantFrom<About[]>('protocol', 'ports', 'tcp', 'udp');
  return fc
    .tuple(fc.constantFrom(...layers[around.family]), about)
    .chain(([layer, aboutPorts]) =>
      ruleAbout(around, layer, layer === 'ip' || layer === 'ip6' ? aboutPorts : 'protocol'),
    );
}

function ruleAbout({ family, sets, maps, chains }: Surroundings, layer: Layer, about: About): fc.Arbitrary<NftRule> {
  const fields: Fields = {
    ...addressFields[layer],
    inet_service: portFields[about],
    ifname: ['iifname', 'oifname'],
    // In front of a MAC, nft leaves an Ethernet type out of its listing.
    ...(family === 'bridge' && layer === 'ip' && { ether_addr: ['ether saddr'] }),
  };
  const lookups = sets.flatMap(({ name, key }): fc.Arbitrary<Match>[] => {
    const read = keyFields(fields, key);
    if (!read) return [];
    return [
      read.map((each) => ({ kind: 'lookup', key: each, set: name })),
      read.map((each) => ({ kind: 'lookup', op: '!=', key: each, set: name })),
    ];
  });
  const vmaps = maps.flatMap(({ name, key }): fc.Arbitrary<Verdict>[] => {
    const read = keyFields(fields, key);
    return read ? [read.map((each) => ({ kind: 'vmap', key: each, map: name }))] : [];
  });
  const notes = sets.flatMap(({ name, key, records }): fc.Arbitrary<Verdict>[] => {
    const noted = records ? [keyFields(fields, key), keyFields(connectionFields[family], key)] : [];
    return noted.flatMap((each) =>
      each ? (['record', 'remember'] as const).map((kind) => each.map((read) => ({ kind, key: read, set: name }))) : [],
    );
  });
  const parts = { tcp: tcpParts, udp: udpParts, ports: portParts, protocol: protocolParts[layer] }[about];
  const isRouted = family !== 'bridge';
  const reset: fc.Arbitrary<Verdict>[] = about === 'tcp' && isRouted ? [fc.constant({ kind: 'reject-tcp-reset' })] : [];
  const none = fc.constant<Match[]>([]);
  return fc
    .record({
      some: optional(fc.oneof(...anywhere, ...(isRouted ? routedOnly : []))),
      state: isRouted ? optional(compare('ct state', ['established', 'invalid', 'new', 'related', 'untracked'])) : none,
      direction: isRouted ? optional(compare('ct direction', ['original'])) : none,
      part: fc.oneof(...parts),
      lookups: lookups.length > 0 ? fc.array(fc.oneof(...lookups), { maxLength: 2 }) : none,
      address: addresses[layer].length > 0 ? optional(fc.oneof(...addresses[layer])) : none,
      limit: optional(fc.constant<Match>({ kind: 'limit', perSecond: 100, burst: 200 })),
      counter: fc.boolean(),
      verdict: fc.oneof(elementVerdict(chains), ...vmaps, ...notes, ...reset),
      comment: optional(comment),
    })
    .map(({ some, state, direction, part, lookups: looked, address, limit, counter, verdict, comment: [text] }) => ({
      // Of our language a limit is only before a jump or a set that packets fill.
      matches: [
        ...some,
        ...state,
        ...direction,
        ...part,
        ...looked,
        ...address,
        ...(verdict.kind === 'jump' || verdict.kind === 'remember' ? limit : []),
      ],
      ...(counter && { counter }),
      verdict,
      ...(text !== undefined && { comment: text }),
    }));
}
