import type { Lab } from '../../src/lab/lab.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';

export interface Nic {
  readonly mac: string;
  readonly address: Readonly<Record<Family, string>>;
  readonly linkLocal: string;
}

export interface LinkInfo {
  readonly ifname: string;
  readonly ifindex: number;
  readonly link_index?: number;
  readonly address: string;
  readonly addr_info: readonly { readonly family: string; readonly local: string; readonly scope: string }[];
}

export function nicOf({ address: mac, addr_info: infos }: LinkInfo): Nic {
  const global = (family: Family): string =>
    infos.find((each) => each.scope === 'global' && each.local.includes(':') === (family === 'ipv6'))?.local ?? '';
  const [ipv4, ipv6] = families.map(global) as [string, string];
  return {
    mac,
    address: { ipv4, ipv6 },
    linkLocal: infos.find(({ scope, local }) => scope === 'link' && local.includes(':'))!.local,
  };
}

/** Of a station. */
export async function readLinks(lab: Lab, key: string): Promise<LinkInfo[]> {
  return JSON.parse(await lab.exec(key, 'ip', '-json', '-details', 'address', 'show')) as LinkInfo[];
}
