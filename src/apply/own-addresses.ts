import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../model/address.ts';

/** The addresses of all devices in the network namespace of this process, canonical. */
export function readOwnAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const own = all.map(({ address }) => canonicalAddress(address.replace(/%.*/, '')));
  return new Set(own.filter((address) => address !== undefined));
}
