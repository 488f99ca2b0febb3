import { formatAddress, parseAddress, type Family } from '../../src/model/address.ts';

/** IPv4 addresses of the packet benches become the last 32 bits of an IPv6 address. */
const prefix = 0xfd00n << 112n;
const ipv4 = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/;

/** The address or CIDR in the other family; other texts stay. */
export function inFamily(family: Family, text: string): string {
  const match = family === 'ipv6' ? ipv4.exec(text) : undefined;
  if (!match) return text;
  const address = formatAddress('ipv6', prefix | parseAddress(match[1]!)!.value);
  return match[2] === undefined ? address : `${address}/${96 + Number(match[2])}`;
}

/** The same for all texts of an API object. */
export function objectInFamily<Value>(family: Family, value: Value): Value {
  return JSON.parse(JSON.stringify(value), (_key, each: unknown) =>
    typeof each === 'string' ? inFamily(family, each) : each,
  ) as Value;
}
