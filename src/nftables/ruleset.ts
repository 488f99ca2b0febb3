/** nftables as data: the subset of the language that Postern writes. Terms as in nft(8). */

/** A key type of sets; a key has at most five of them (K37). Device names have 1 to 15 characters of `A-Z a-z 0-9 . _ : @ -`; MACs are in lower case. */
export type KeyType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'ifname'
  | 'iface_index'
  | 'ether_addr';

/** A field of a packet that a match can read, in nft's spelling. */
export type Field =
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'meta l4proto'
  | 'th sport'
  | 'th dport'
  | 'udp sport'
  | 'udp dport'
  | 'tcp sport'
  | 'tcp dport'
  | 'ct state'
  | 'ct direction'
  | 'icmp type'
  | 'icmpv6 type'
  /** The target of a neighbour solicitation or advertisement. The rule must match the type first; otherwise nft adds a match of all types with a target. */
  | 'icmpv6 taddr'
  | 'ip ttl'
  | 'ip6 hoplimit'
  | 'ip protocol'
  | 'iifname'
  | 'oifname'
  | 'oif'
  | 'meta iifkind'
  | 'meta oifkind'
  | 'meta iiftype'
  | 'meta oiftype'
  | 'meta pkttype'
  | 'arp saddr ip'
  | 'arp daddr ip'
  | 'ether saddr'
  | 'ether type'
  /** Fields of the connection, for packets in both directions: client, and server after DNAT. */
  | 'ct original ip saddr'
  | 'ct original ip6 saddr'
  | 'ct reply ip saddr'
  | 'ct reply ip6 saddr'
  | 'ct protocol'
  | 'ct reply proto-src';

export type Match =
  /** The concatenated fields are an element of the named set; with `!=`, they are not. */
  | { readonly kind: 'lookup'; readonly op?: '!='; readonly key: readonly Field[]; readonly set: string }
  /**
   * The field is one of (`==`) or none of (`!=`) the values. Values are ascending (numbers by value): addresses, prefixes and ranges as nft lists
   * them, `tcp|udp|sctp`, names of devices, device kinds, ct states and directions, `arp|ip|ip6|vlan` for Ethernet types,
   * `host|broadcast|multicast|other` for packet types, `ether|loopback` for device types (not in the table of bridges, K53), and numbers for everything else (ICMP types, IGMP is `2`).
   */
  | { readonly kind: 'compare'; readonly field: Field; readonly op: '==' | '!='; readonly values: readonly string[] }
  /** `tcp flags & (fin | syn | rst | ack) != syn`: not the first segment of a connection. */
  | { readonly kind: 'tcp-not-syn' }
  /** SCTP, and not the first packet of an association. (`sctp chunk init missing` alone also matches other protocols.) */
  | { readonly kind: 'sctp-not-init' }
  /** `ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00`: a broadcast or multicast frame. `meta pkttype` does not work in the output hook. */
  | { readonly kind: 'group-mac' }
  /** `meta length`: bytes from the network header on, including padding and trailer. */
  | { readonly kind: 'length'; readonly op: '<=' | '>'; readonly bytes: number }
  /** `meta skuid != 4294967295`: a socket of this machine sent the packet. Forwarded packets have no socket and do not match. */
  | { readonly kind: 'from-socket' }
  /** A rate limit in packets. */
  | { readonly kind: 'limit'; readonly perSecond: number; readonly burst: number }
  /** Read from the kernel, and not a match that Postern writes. It is never rendered, and equals no match of compile. */
  | { readonly kind: 'foreign'; readonly text: string };

/** A verdict that decides where evaluation continues or ends. */
export type Turn =
  | { readonly kind: 'return' | 'accept' | 'drop' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** `continue`: the next rule. */
export type ElementVerdict = Turn | { readonly kind: 'continue' };

export type Verdict =
  | ElementVerdict
  /** `… vmap @map`: the verdict of the matching element, or of the catch-all element; without either, no verdict. */
  | { readonly kind: 'vmap'; readonly key: readonly Field[]; readonly map: string }
  /** Implies TCP. */
  | { readonly kind: 'reject-tcp-reset' }
  /** `add @set { … counter }`: adds the fields to a set of records. Evaluation continues with the next rule, even if the set is full. */
  | { readonly kind: 'record'; readonly key: readonly Field[]; readonly set: string }
  /**
   * `add @set { … }`: adds the fields to a set that rules look up, so that later packets with the same fields match (a flow set). Evaluation continues
   * as after `record`.
   */
  | { readonly kind: 'remember'; readonly key: readonly Field[]; readonly set: string };

/**
 * A rule must have the form in which nft lists it (K30); otherwise the agent would find a difference after a restart. Neighbouring header fields are in
 * header order (`ip ttl` before `ip protocol`). Matches that another part implies are left out: no `meta l4proto`, nor in table `ip` an
 * `ip protocol`, before `icmp type`, a port, `tcp-not-syn`, or a reset. `udp dport` matches UDP only, `tcp dport` TCP only; `th dport` matches the protocol that the rule
 * matches, or any protocol.
 */
export interface NftRule {
  readonly matches: readonly Match[];
  /** A packet counter before the verdict. After a `record` verdict, it counts recorded packets. */
  readonly counter?: true;
  readonly verdict: Verdict;
  /** At most 128 bytes, without `"`. */
  readonly comment?: string;
}

export type Hook = 'prerouting' | 'forward' | 'input' | 'output';

export interface Chain {
  readonly name: string;
  /** Set for a base chain, which always has `policy accept`. `filter` is priority 0; in the bridge family -200. */
  readonly base?: { readonly hook: Hook; readonly priority: number };
  readonly rules: readonly NftRule[];
}

/**
 * The components of an element joined with ` . `: canonical addresses, protocols as `tcp|udp|sctp` or a number, decimal ports. In an interval
 * set, a component may be a range `first-last` (protocols as numbers); if both ends are equal, it is a single value.
 */
export type Element = string;

/** What readers need of the elements of a set: a `Set` has it, and an `ElementSet` (`element-set.ts`). */
export interface Elements extends Iterable<Element> {
  readonly size: number;
  has(element: Element): boolean;
  keys(): IteratorObject<Element>;
}

/** The catch-all element of a map without intervals. The kernel looks it up separately, after the other elements (K25). */
export const catchAll: Element = '*';

export interface NftSet {
  readonly name: string;
  /** Empty in a foreign set, which has no elements. The same holds for maps. */
  readonly key: readonly KeyType[];
  readonly interval: boolean;
  readonly elements: Elements;
  /** Packets add its elements; each expires after `seconds`, and the set holds at most `size`. `elements` is empty then. */
  readonly records?: { readonly seconds: number; readonly size: number };
}

export interface VerdictMap {
  readonly name: string;
  readonly key: readonly KeyType[];
  readonly interval: boolean;
  readonly elements: ReadonlyMap<Element, ElementVerdict>;
}

/** The content of one table. Sets, maps and chains never share a name. All values are immutable, so the same object means unchanged. */
export interface Table {
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly maps: ReadonlyMap<string, VerdictMap>;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Objects of other kinds in the kernel, which Postern never writes. */
  readonly others?: readonly OtherObject[];
  /** The table has flags in the kernel: it is dormant, or a process owns it. */
  readonly isFlagged?: true;
}

/** Kinds in the spelling of nft(8). Packets in a flow table bypass Postern's chains. */
export const otherKinds = [
  'flowtable',
  'counter',
  'quota',
  'limit',
  'secmark',
  'synproxy',
  'ct helper',
  'ct timeout',
  'ct expectation',
] as const;

export interface OtherObject {
  readonly kind: (typeof otherKinds)[number];
  readonly name: string;
}

/**
 * `table ip postern` and `table ip6 postern` judge the packets of their family. In a table `inet`, every rule that reads an address would first test the
 * family of each packet. `table bridge postern` exists if there are bridge ports to guard.
 */
export const tableFamilies = ['ip', 'ip6', 'bridge'] as const;
export type TableFamily = (typeof tableFamilies)[number];

/** The table that judges routed packets of a family. */
export const routedTable = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** Postern's tables. A missing one does not exist. */
export type Ruleset = Readonly<Partial<Record<TableFamily, Table>>>;

export const tableName = 'postern';
/** An empty table of the family ip. It exists while the kernel's rules may be newer than the saved state. */
export const unsavedTable = `${tableName}-unsaved`;

/** The hooks of Postern's base chains. */
export const hooksOf: Readonly<Record<TableFamily, ReadonlySet<Hook>>> = {
  ip: new Set<Hook>(['forward', 'input', 'output']),
  ip6: new Set<Hook>(['forward', 'input', 'output']),
  bridge: new Set<Hook>(['prerouting', 'forward', 'output']),
};

/** One line of a script. */
export type Operation = { readonly family: TableFamily } & Change;

/**
 * A change of one table. `replace rules` replaces all rules of an existing chain (flush and add). `flush set` deletes all elements, also those that
 * packets have added.
 */
export type Change =
  /** `replace table` deletes all content first. The plan never deletes a table: see `emptied` in `plan/table-plan.ts`. */
  | { readonly verb: 'add table' | 'replace table' }
  | { readonly verb: 'add set'; readonly set: NftSet }
  | { readonly verb: 'add map'; readonly map: VerdictMap }
  | { readonly verb: 'add chain'; readonly chain: Chain }
  | { readonly verb: 'replace rules'; readonly chain: Chain }
  /** Independent of the object's declaration. */
  | { readonly verb: 'flush chain' | 'flush set'; readonly name: string }
  | { readonly verb: 'add elements'; readonly set: NftSet; readonly elements: readonly Element[] }
  | { readonly verb: 'delete elements'; readonly set: NftSet; readonly elements: readonly Element[] }
  | { readonly verb: 'add mappings'; readonly map: VerdictMap; readonly elements: ReadonlyMap<Element, ElementVerdict> }
  | { readonly verb: 'delete mappings'; readonly map: VerdictMap; readonly elements: readonly Element[] }
  | { readonly verb: 'delete chain' | 'delete set' | 'delete map'; readonly name: string }
  | ({ readonly verb: 'delete other' } & OtherObject);

/**
 * The order of stages is clear, make, switch, break, forget, open, delete. Tables that turn later have a switch and a break of their own before open. Each stage is
 * one transaction. Empty stages are left out.
 */
export type StageName = 'clear' | 'make' | 'switch' | 'break' | 'forget' | 'open' | 'delete';
export interface Stage {
  readonly name: StageName;
  /** The stage must not begin before all packets are done that may have met the rules or elements of before the last stage (K27). */
  readonly afterGracePeriod: boolean;
  readonly operations: readonly Operation[];
}

/** The number of elements in all sets and maps. */
export function elementsIn(ruleset: Ruleset = {}): number {
  const objects = Object.values(ruleset).flatMap(({ sets, maps }) => [...sets.values(), ...maps.values()]);
  return objects.reduce((sum, { elements }) => sum + elements.size, 0);
}
