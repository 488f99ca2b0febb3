import { lookup } from 'node:dns/promises';
import { familyOf, parseAddress } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { attempt } from './attempt.ts';
import type { Attempt, SocketProtocol } from './attempt.ts';

export interface Destinations {
  readonly protocol: SocketProtocol;
  /** Addresses, or names. */
  readonly hosts: readonly string[];
  readonly port: number;
}

/** Tries every address in parallel; for a name, the first address of each family. Never rejects. */
export async function attemptAll({ protocol, hosts, port }: Destinations): Promise<Attempt[]> {
  const tried = hosts.map(async (host): Promise<Attempt[]> => {
    if (parseAddress(host)) return [await attempt({ protocol, address: host, port })];
    const start = performance.now();
    try {
      const addresses = await resolveName(host);
      return await Promise.all(addresses.map((address) => attempt({ protocol, address, port })));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      return [{ address: host, outcome: 'unresolved', code, ms: Math.round(performance.now() - start) }];
    }
  });
  return (await Promise.all(tried)).flat();
}

async function resolveName(name: string): Promise<string[]> {
  const first = new Map<Family, string>();
  for (const { address } of await lookup(name, { all: true, order: 'verbatim' })) {
    if (!first.has(familyOf(address))) first.set(familyOf(address), address);
  }
  return [...first.values()];
}
