import type { Field, Hook } from './ruleset.ts';

/** A packet as a rule sees it at a hook. What is absent is what the packet lacks: a match that reads it does not match, not even by `!=`. */
export interface Packet {
  readonly hook: Hook;
  /** ARP only in the bridge table; it has the addresses of sender and target, and nothing further. */
  readonly family: 'ipv4' | 'ipv6' | 'arp';
  /** The devices by which it came and goes: in the bridge table, ports. The kernel reads an empty name where there is none. */
  readonly inInterface?: string;
  readonly outInterface?: string;
  /** Their kinds, as `veth`; a physical device has none. */
  readonly inKind?: string;
  readonly outKind?: string;
  /** Where it is not that of the family: a frame with a VLAN tag is `vlan`, and its addresses are read all the same. */
  readonly etherType?: 'arp' | 'ip' | 'ip6' | 'vlan' | (string & {});
  /** To whom the frame goes; `host` where it is not said. */
  readonly packetType?: 'host' | 'broadcast' | 'multicast' | 'other';
  /** Canonical text. */
  readonly source: string;
  readonly destination: string;
  /** A decimal number for what has no name here. */
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6' | (string & {});
  /** Absent in a fragment. Of protocols without ports the kernel reads whatever is in that place, so never read a port without the protocol (K7). */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Not read in the bridge table. */
  readonly ctState: 'new' | 'established' | 'related' | 'invalid' | 'untracked';
  /** Not read of packets that belong to no connection (`invalid`, `untracked`; K4). */
  readonly direction?: 'original' | 'reply' | undefined;
  readonly icmpType?: number;
  /** IPv4 TTL or IPv6 hop limit. */
  readonly hopLimit?: number;
  /** Of fin, syn, rst and ack, only syn is set. */
  readonly tcpSyn?: boolean;
  readonly sctpInit?: boolean;
  readonly fromSocket?: boolean;
  /** Of the frame, in the bridge table. */
  readonly sourceMac?: string;
  /** Whether the frame is for many: its destination MAC is a group's. */
  readonly toGroup?: boolean;
  /** In bytes from the network header on; 0 where it is not said. */
  readonly length?: number;
  /** What a neighbour solicitation or advertisement is about. */
  readonly target?: string;
  /** The connection that the packet belongs to, or that an ICMP error is about: who opened it, and whom it reached after DNAT. */
  readonly connection?: Connection;
}

export interface Connection {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Packet['protocol'];
  readonly destinationPort?: number;
}

/** The text that a set element or a compared value has for the field, or `undefined` where the packet lacks it. */
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
      return packet.outInterface ?? '';
    case 'meta iifkind':
      return packet.inKind;
    case 'meta oifkind':
      return packet.outKind;
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
