/** nftables as data: the part of the language that we write. Terms as in nft(8). */

/** A type of a set's key, with what a packet holds in that place. Names of devices: 1 to 15 of `A-Z a-z 0-9 . _ : @ -`; MACs in lower case. */
export type KeyType = 'ipv4_addr' | 'ipv6_addr' | 'inet_proto' | 'inet_service' | 'ifname' | 'ether_addr';

/** What a match can read of a packet, spelled as nft spells it. */
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
  | 'ct state'
  | 'ct direction'
  | 'icmp type'
  | 'icmpv6 type'
  /** The target of a neighbour solicitation or advertisement. The rule must match the type first: nft lists a match of all types with a target otherwise. */
  | 'icmpv6 taddr'
  | 'ip ttl'
  | 'ip6 hoplimit'
  | 'ip protocol'
  | 'iifname'
  | 'oifname'
  | 'meta iifkind'
  | 'meta oifkind'
  | 'meta pkttype'
  | 'arp saddr ip'
  | 'arp daddr ip'
  | 'ether saddr'
  | 'ether type'
  /** Of the connection, whichever way the packet goes: who opened it, and whom it reached after DNAT. */
  | 'ct original ip saddr'
  | 'ct original ip6 saddr'
  | 'ct reply ip saddr'
  | 'ct reply ip6 saddr'
  | 'ct protocol'
  | 'ct reply proto-src';

export type Match =
  /** The concatenated fields are an element of the named set, or with `!=` are none. */
  | { readonly kind: 'lookup'; readonly op?: '!='; readonly key: readonly Field[]; readonly set: string }
  /**
   * The field is one of (`==`) or none of (`!=`) the values, ascending (numbers by value): addresses, prefixes and ranges as nft
   * lists them, `tcp|udp|sctp`, names of devices and their kinds, of ct states and directions, `arp|ip|ip6|vlan` for Ethernet types,
   * `host|broadcast|multicast|other` for packet types, numbers for all else (ICMP types, IGMP is `2`).
   */
  | { readonly kind: 'compare'; readonly field: Field; readonly op: '==' | '!='; readonly values: readonly string[] }
  /** `tcp flags & (fin | syn | rst | ack) != syn`: not the first segment of a connection. */
  | { readonly kind: 'tcp-not-syn' }
  /** SCTP, and not the first packet of an association. (`sctp chunk init missing` alone also holds for what is not SCTP.) */
  | { readonly kind: 'sctp-not-init' }
  /** `ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00`: a broadcast or multicast frame. `meta pkttype` does not tell in the output hook. */
  | { readonly kind: 'group-mac' }
  /** `meta length`, in bytes from the network header on, with any padding and trailer. */
  | { readonly kind: 'length'; readonly op: '<=' | '>'; readonly bytes: number }
  /** `meta skuid != 4294967295`: sent by a socket of this machine. What is forwarded has none, and does not match. */
  | { readonly kind: 'from-socket' }
  /** Not more often than that, in packets. */
  | { readonly kind: 'limit'; readonly perSecond: number; readonly burst: number }
  /** Read from the kernel and not of our language. Never written; equal to nothing that we want. */
  | { readonly kind: 'foreign'; readonly text: string };

/** It decides where a packet goes. */
export type Turn =
  | { readonly kind: 'return' | 'accept' | 'drop' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** `continue`: the next rule. */
export type ElementVerdict = Turn | { readonly kind: 'continue' };

export type Verdict =
  | ElementVerdict
  /** `… vmap @map`: the verdict is the element's, or what the map has for all others (`catchAll`); no element, no verdict. */
  | { readonly kind: 'vmap'; readonly key: readonly Field[]; readonly map: string }
  /** Implies TCP. */
  | { readonly kind: 'reject-tcp-reset' }
  /** `add @set { … counter }`: notes the fields in a set of records, and goes on with the next rule, also where the set is full. */
  | { readonly kind: 'record'; readonly key: readonly Field[]; readonly set: string };

/**
 * A rule must be written as nft lists it (K30), else a restart would find a difference: neighbouring header fields in header order
 * (`ip ttl` before `ip protocol`), and nothing that another part implies (no `meta l4proto`, nor in table `ip` an `ip protocol`, before
 * `icmp type`, a port, `tcp-not-syn`, or a reset). A port is `udp` of UDP alone, and `th` of the protocol
 * that the rule matches, or of any where it matches none.
 */
export interface NftRule {
  readonly matches: readonly Match[];
  /** A packet counter before the verdict; of what it has noted, after a `record`. */
  readonly counter?: true;
  readonly verdict: Verdict;
  /** At most 128 bytes, without `"`. */
  readonly comment?: string;
}

export type Hook = 'prerouting' | 'forward' | 'input' | 'output';

export interface Chain {
  readonly name: string;
  /** A base chain, always `policy accept`; priority as a number (filter is 0, of bridges -200). */
  readonly base?: { readonly hook: Hook; readonly priority: number };
  readonly rules: readonly NftRule[];
}

/**
 * An element is its components joined with ` . `: addresses canonical, protocols `tcp|udp|sctp` or a number, ports decimal;
 * in an interval set a component may be a range `first-last` (of protocols in numbers), written as a single value when both are equal.
 */
export type Element = string;

/** In a map without intervals, the element of whatever has none of its own. The kernel looks for it after the others, as a look-up by itself (K25). */
export const catchAll: Element = '*';

export interface NftSet {
  readonly name: string;
  /** Empty: read from the kernel and not of our language; then without elements. So for maps. */
  readonly key: readonly KeyType[];
  readonly interval: boolean;
  readonly elements: ReadonlySet<Element>;
  /** Its elements are what packets note, for so many seconds each, and at most so many; here it has none. */
  readonly records?: { readonly seconds: number; readonly size: number };
}

export interface VerdictMap {
  readonly name: string;
  readonly key: readonly KeyType[];
  readonly interval: boolean;
  readonly elements: ReadonlyMap<Element, ElementVerdict>;
}

/** The whole of one table. Sets, maps and chains never share a name. Values are never edited: identity tells "unchanged". */
export interface Table {
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly maps: ReadonlyMap<string, VerdictMap>;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Read from the kernel: objects of other kinds, which are never ours. */
  readonly others?: readonly OtherObject[];
  /** Read from the kernel: the table has flags. It is switched off, or belongs to a process. */
  readonly isFlagged?: true;
}

/** Kinds as nft(8) spells them. A flow table can lead packets past our chains. */
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
 * `table ip postern` and `table ip6 postern` judge what passes the node, each the packets of its family: in a table `inet` every rule that
 * reads an address would first test the family, for each packet. `table bridge postern` is there where ports of bridges are to be guarded.
 */
export const tableFamilies = ['ip', 'ip6', 'bridge'] as const;
export type TableFamily = (typeof tableFamilies)[number];

/** Which of them judges the packets of a family that pass the node. */
export const routedTable = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** All that is ours: the tables that there are. */
export type Ruleset = Readonly<Partial<Record<TableFamily, Table>>>;

export const tableName = 'postern';

/** Where our base chains are. */
export const hooksOf: Readonly<Record<TableFamily, ReadonlySet<Hook>>> = {
  ip: new Set<Hook>(['forward', 'input', 'output']),
  ip6: new Set<Hook>(['forward', 'input', 'output']),
  bridge: new Set<Hook>(['prerouting', 'forward', 'output']),
};

/** One line of a script. */
export type Operation = { readonly family: TableFamily } & Change;

/** What happens to one table. `replace rules` replaces all rules of an existing chain (flush and add). */
export type Change =
  /** Replacing deletes all that the table holds. No table is ever deleted: see `emptied` in the planner. */
  | { readonly verb: 'add table' | 'replace table' }
  | { readonly verb: 'add set'; readonly set: NftSet }
  | { readonly verb: 'add map'; readonly map: VerdictMap }
  | { readonly verb: 'add chain'; readonly chain: Chain }
  | { readonly verb: 'replace rules'; readonly chain: Chain }
  /** Whatever the chain is declared as. */
  | { readonly verb: 'flush chain'; readonly name: string }
  | { readonly verb: 'add elements'; readonly set: NftSet; readonly elements: readonly Element[] }
  | { readonly verb: 'delete elements'; readonly set: NftSet; readonly elements: readonly Element[] }
  | { readonly verb: 'add mappings'; readonly map: VerdictMap; readonly elements: ReadonlyMap<Element, ElementVerdict> }
  | { readonly verb: 'delete mappings'; readonly map: VerdictMap; readonly elements: readonly Element[] }
  | { readonly verb: 'delete chain' | 'delete set' | 'delete map'; readonly name: string }
  | ({ readonly verb: 'delete other' } & OtherObject);

/** A change, in order: make, switch, break; each stage is one transaction, and empty stages are left out. */
export type StageName = 'make' | 'switch' | 'break';
export interface Stage {
  readonly name: StageName;
  readonly operations: readonly Operation[];
}
