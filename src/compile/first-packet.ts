import { familyOf, type Family } from '../model/address.ts';
import type { Packet } from '../nftables/packet.ts';
import type { Table } from '../nftables/ruleset.ts';
import { ifIpsSetName } from './names.ts';

/** A connection as the hooks see it: after DNAT and before SNAT. */
export interface Connection {
  readonly hook: 'forward' | 'input';
  /** Canonical, of one family. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: Packet['protocol'];
  readonly port?: number | undefined;
}

/** The first packet of a connection. Its devices are those in the rules; an address without one uses the device `elsewhere`. */
export function firstPacket(table: Table, { hook, source, destination, protocol, port }: Connection): Packet {
  const family = familyOf(source);
  const [inInterface, outInterface] = [source, destination].map((address) => deviceOf(table, family, address));
  return {
    hook,
    family,
    source,
    destination,
    inInterface: inInterface ?? elsewhere,
    ...(inInterface !== undefined && { inKind: 'veth' }),
    ...(hook === 'forward' && { outInterface: outInterface ?? elsewhere }),
    ...(hook === 'forward' && outInterface !== undefined && { outKind: 'veth' }),
    protocol,
    ...(port !== undefined && { sourcePort: ephemeral, destinationPort: port }),
    ctState: 'new',
    direction: 'original',
    hopLimit: 63,
    ...(protocol === 'tcp' && { tcpSyn: true }),
    ...(protocol === 'sctp' && { sctpInit: true }),
    ...(protocol === 'icmp' && { icmpType: 8 }),
    ...(protocol === 'icmpv6' && { icmpType: 128 }),
  };
}

/** Longer than IFNAMSIZ, so no real device has this name. */
const elsewhere = 'another-device-of-the-node';
const ephemeral = 40_000;

function deviceOf(table: Table, family: Family, address: string): string | undefined {
  const ending = ` . ${address}`;
  const element = table.sets
    .get(ifIpsSetName[family])
    ?.elements.keys()
    .find((each) => each.endsWith(ending));
  return element?.slice(0, -ending.length);
}
