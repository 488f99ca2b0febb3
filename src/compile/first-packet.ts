import { familyOf, type Family } from '../model/address.ts';
import type { Packet } from '../nftables/packet.ts';
import type { Table } from '../nftables/ruleset.ts';
import { ifIpsSetName } from './names.ts';

/** A connection as a node meets it: after DNAT and before SNAT. */
export interface Connection {
  readonly hook: 'forward' | 'input';
  /** Canonical, of one family. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: Packet['protocol'];
  readonly port?: number | undefined;
}

/** Its first packet, by the devices that the rules know for both ends; what they do not know comes and goes by a device of nobody. */
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

/** No device has a name of that length (IFNAMSIZ). */
const elsewhere = 'another-device-of-the-node';
const ephemeral = 40_000;

function deviceOf(table: Table, family: Family, address: string): string | undefined {
  const ending = ` . ${address}`;
  const element = table.sets
    .get(ifIpsSetName[family])
    ?.elements.values()
    .find((each) => each.endsWith(ending));
  return element?.slice(0, -ending.length);
}
