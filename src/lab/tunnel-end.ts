import { familyOf, parseCidr, formatAddress } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';

/** A node's end of the tunnels to all other nodes, in one family. */
export interface TunnelEnd {
  readonly family: Family;
  /** The first address of the node's range, which no pod has. flannel gives it to its device. */
  readonly address: string;
  readonly cidr: string;
  /** The node's own address, from which it sends the outer packets. */
  readonly underlay: string;
}

/** One per family. */
export function tunnelEnds({ addresses, podCidrs }: NodePlan): TunnelEnd[] {
  return podCidrs.map((cidr, index) => {
    const family = familyOf(cidr.split('/')[0]!);
    return { family, address: formatAddress(family, parseCidr(cidr)!.first), cidr, underlay: addresses[index]! };
  });
}

export const hostPrefixLength: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };
