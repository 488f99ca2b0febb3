import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { familyOf } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';

/** Of a node. */
export function flannelFolder(nodeDirectory: string): string {
  return join(nodeDirectory, 'flannel');
}

/** Configuration of the flannel plugin for one node. It keeps in `dataDir` what it gives to the plugin that it calls. */
export function flannelSettings({ flannelDirectory, ipamDirectory }: FlannelOptions): object {
  const ipam = { type: 'host-local', dataDir: ipamDirectory };
  if (flannelDirectory === undefined) return { ipam };
  return { subnetFile: subnetFile(flannelDirectory), dataDir: join(flannelDirectory, 'delegates'), ipam };
}

interface FlannelOptions {
  readonly flannelDirectory?: string | undefined;
  readonly ipamDirectory: string;
}

/** Writes what flanneld writes for its plugin (/run/flannel/subnet.env). The plugin then leaves masquerading to flanneld, which the lab has not. */
export async function writeSubnetFile({ podCidrs }: NodePlan, mtu: number, directory: string): Promise<void> {
  const lines = podCidrs.flatMap((cidr) =>
    familyOf(cidr.split('/')[0]!) === 'ipv4'
      ? ['FLANNEL_NETWORK=10.244.0.0/16', `FLANNEL_SUBNET=${cidr.replace('.0/', '.1/')}`]
      : ['FLANNEL_IPV6_NETWORK=fd00:10:244::/48', `FLANNEL_IPV6_SUBNET=${cidr.replace('::/', '::1/')}`],
  );
  await mkdir(directory, { recursive: true });
  await writeFile(subnetFile(directory), [...lines, `FLANNEL_MTU=${mtu}`, 'FLANNEL_IPMASQ=true', ''].join('\n'));
}

function subnetFile(directory: string): string {
  return join(directory, 'subnet.env');
}
