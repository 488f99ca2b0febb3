import { containsAddress, parseAddress, parseCidr } from '../model/address.ts';
import type { Family } from '../model/address.ts';

export type LabFamily = Family | 'dual';
export const labFamilies: readonly LabFamily[] = ['ipv4', 'ipv6', 'dual'];

export interface NodePlan {
  readonly name: string;
  /** From 1. */
  readonly number: number;
  /** One per family, IPv4 first. */
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
}

/** The addresses of all nodes and pod ranges. They are the same in every lab, because each lab has its own namespaces. */
export interface AddressPlan {
  readonly families: readonly Family[];
  readonly nodes: readonly NodePlan[];
  readonly gateways: Readonly<Record<Family, string>>;
}

export const nodePrefixLength: Readonly<Record<Family, number>> = { ipv4: 24, ipv6: 64 };
export const everything: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' };

/** At most 200 nodes: their number is the last part of their address. */
export function planAddresses(nodes: number, family: LabFamily): AddressPlan {
  const families: readonly Family[] = family === 'dual' ? ['ipv4', 'ipv6'] : [family];
  return {
    families,
    gateways: { ipv4: '172.30.0.1', ipv6: 'fd00:172:30::1' },
    nodes: Array.from({ length: nodes }, (_, index) => {
      const number = index + 1;
      const addresses = { ipv4: `172.30.0.${number + 1}`, ipv6: `fd00:172:30::${(number + 1).toString(16)}` };
      const podCidrs = { ipv4: `10.244.${number}.0/24`, ipv6: `fd00:10:244:${number.toString(16)}::/64` };
      return {
        name: `n${number}`,
        number,
        addresses: families.map((each) => addresses[each]),
        podCidrs: families.map((each) => podCidrs[each]),
      };
    }),
  };
}

const labCidrs = [
  '172.30.0.0/24',
  'fd00:172:30::/64',
  '10.244.0.0/16',
  'fd00:10:244::/48',
  '10.96.0.0/16',
  'fd00:10:96::/112',
];

/** The lab's own network that contains this address, if any. */
export function findLabCidr(address: string): string | undefined {
  const parsed = parseAddress(address);
  return parsed && labCidrs.find((cidr) => containsAddress(parseCidr(cidr)!, parsed));
}

/** `index` counts from 1 within 10.96.0.0/16 or fd00:10:96::/112. */
export function serviceAddress(family: Family, index: number): string {
  return family === 'ipv4' ? `10.96.${index >> 8}.${index & 255}` : `fd00:10:96::${index.toString(16)}`;
}
