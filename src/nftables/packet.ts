import type { Field, Hook } from './ruleset.ts';

/** A packet as a rule sees it at a hook. A match that reads an absent field does not match, not even with `!=`. */
export interface Packet {
  readonly hook: Hook;
  /** `arp` only in the bridge table; it has sender and target addresses only. */
  readonly family: 'ipv4' | 'ipv6' | 'arp';
  /** The input and output device; in the bridge table, ports. Without a device, the kernel reads an empty name. `lo` is the loopback device. */
  readonly inInterface?: string;
  readonly outInterface?: string;
  /** Device kinds such as `veth`; a physical device has none. */
  readonly inKind?: string;
  readonly outKind?: string;
  /** Set if it differs from the family's: a frame with a VLAN tag is `vlan`, and rules still read its addresses. */
  readonly etherType?: 'arp' | 'ip' | 'ip6' | 'vlan' | (string & {});
  /** Default: `host`. */
  readonly packetType?: 'host' | 'broadcast' | 'multicast' | 'other';
  /** Canonical text. */
  readonly source: string;
  readonly destination: string;
  /** Other protocols as a decimal number. */
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6' | (string & {});
  /** Absent in a fragment. For protocols without ports, the kernel reads any bytes at that offset, so never match a port without the protocol (K7). */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** The bridge table does not read it. */
  readonly ctState: 'new' | 'established' | 'related' | 'invalid' | 'untracked';
  /** Absent in packets without a connection (`invalid`, `untracked`; K4). */
  readonly direction?: 'original' | 'reply' | undefined;
  readonly icmpType?: number;
  /** IPv4 TTL or IPv6 hop limit. */
  readonly hopLimit?: number;
  /** Of the flags fin, syn, rst and ack, only syn is set. */
  readonly tcpSyn?: boolean;
  readonly sctpInit?: boolean;
  readonly fromSocket?: boolean;
  /** The frame's source MAC; in the bridge table only. */
  readonly sourceMac?: string;
  /** The destination MAC is a broadcast or multicast address. */
  readonly toGroup?: boolean;
  /** Bytes from the network header on; default 0. */
  readonly length?: number;
  /** The target address of a neighbour solicitation or advertisement. */
  readonly target?: string;
  /** The connection of the packet; for an ICMP error, the connection that it is about. Client, and server after DNAT. */
  readonly connection?: Connection;
}

export interface Connection {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Packet['protocol'];
  readonly destinationPort?: number;
}

/** The field's value in the text form of set elements; `undefined` if the packet does not have the field. */
export function readField(packet: Packet, field: Field): string | undefined {
  const protocol = packet.family === 'arp' ? undefined : (protocolTexts[packet.protocol] ?? packet.protocol);
  switch (field) {
    case 'ip saddr':
      return packet.family === 'ipv4' ? packet.source : undefined;
    case 'ip daddr':
      return packet.family === 'ipv4' ? packet.destination : undefined;
    case 'ip6 saddr':
      return packet.family === 'ipv6' ? packet.source : undefined;
    case 'ip6 daddr':
      return packet.family === 'ipv6' ? packet.destination : undefined;
    case 'meta l4proto':
      return protocol;
    case 'ip protocol':
      return packet.family === 'ipv4' ? protocol : undefined;
    case 'th sport':
      return numberText(packet.sourcePort);
    case 'th dport':
      return numberText(packet.destinationPort);
    case 'udp sport':
      return protocol === 'udp' ? numberText(packet.sourcePort) : undefined;
    case 'udp dport':
      return protocol === 'udp' ? numberText(packet.destinationPort) : undefined;
    case 'tcp sport':
      return protocol === 'tcp' ? numberText(packet.sourcePort) : undefined;
    case 'tcp dport':
      return protocol === 'tcp' ? numberText(packet.destinationPort) : undefined;
    case 'ct state':
      return packet.ctState;
    case 'ct direction':
      return packet.ctState === 'invalid' || packet.ctState === 'untracked' ? undefined : packet.direction;
    case 'icmp type':
      return packet.family === 'ipv4' && protocol === '1' ? numberText(packet.icmpType) : undefined;
    case 'icmpv6 type':
      return packet.family === 'ipv6' && protocol === '58' ? numberText(packet.icmpType) : undefined;
    case 'ip ttl':
      return packet.family === 'ipv4' ? numberText(packet.hopLimit) : undefined;
    case 'ip6 hoplimit':
      return packet.family === 'ipv6' ? numberText(packet.hopLimit) : undefined;
    case 'iifname':
      return packet.inInterface ?? '';
    case 'oifname':
    // A name stands for the index: only sets that packets fill have one in their key.
    case 'oif':
      return packet.outInterface ?? '';
    case 'meta iifkind':
      return packet.inKind;
    case 'meta oifkind':
      return packet.outKind;
    case 'meta iiftype':
      return typeOf(packet.inInterface);
    case 'meta oiftype':
      return typeOf(packet.outInterface);
    case 'meta pkttype':
      return packet.packetType ?? 'host';
    case 'arp saddr ip':
      return packet.family === 'arp' ? packet.source : undefined;
    case 'arp daddr ip':
      return packet.family === 'arp' ? packet.destination : undefined;
    case 'ether saddr':
      return packet.sourceMac;
    case 'icmpv6 taddr':
      return packet.family === 'ipv6' && protocol === '58' ? packet.target : undefined;
    case 'ct original ip saddr':
      return packet.family === 'ipv4' ? packet.connection?.source : undefined;
    case 'ct original ip6 saddr':
      return packet.family === 'ipv6' ? packet.connection?.source : undefined;
    case 'ct reply ip saddr':
      return packet.family === 'ipv4' ? packet.connection?.destination : undefined;
    case 'ct reply ip6 saddr':
      return packet.family === 'ipv6' ? packet.connection?.destination : undefined;
    case 'ct protocol':
      return packet.connection && (protocolTexts[packet.connection.protocol] ?? packet.connection.protocol);
    case 'ct reply proto-src':
      return numberText(packet.connection?.destinationPort);
    case 'ether type':
      return packet.etherType ?? etherTypes[packet.family];
  }
}

function typeOf(device: string | undefined): string | undefined {
  if (device === undefined) return undefined;
  return device === 'lo' ? 'loopback' : 'ether';
}

const etherTypes = { ipv4: 'ip', ipv6: 'ip6', arp: 'arp' } as const;

const protocolTexts: Readonly<Record<string, string>> = {
  icmp: '1',
  icmpv6: '58',
  '6': 'tcp',
  '17': 'udp',
  '132': 'sctp',
};

function numberText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
