import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { familyOf, formatAddress, parseCidr } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';
import { LabError } from './error.ts';
import { configureLinks, enterNamespace } from './network-namespace.ts';
import { exists, pluginDirectory } from './preflight.ts';

export function dhcpSocket(directory: string): string {
  return join(directory, 'dhcp.sock');
}

/**
 * Starts, in the network namespace of a node, a DHCP server for the node's IPv4 pod range and the daemon of the dhcp plugin, which keeps the leases of
 * the pods. Both end with the namespace. The server makes the bridge of the pods, because it must be on it before the first pod.
 * @param directory the folder of the node
 */
export async function startDhcp(
  namespace: string,
  { podCidrs }: NodePlan,
  bridge: string,
  directory: string,
): Promise<void> {
  const cidr = podCidrs.find((each) => familyOf(each) === 'ipv4');
  if (cidr === undefined) throw new LabError('input', 'a network with DHCP needs IPv4: give --family ipv4');
  const { first } = parseCidr(cidr)!;
  const address = (index: number): string => formatAddress('ipv4', first + BigInt(index));
  await configureLinks(namespace, [
    `link add ${bridge} type bridge`,
    `address add ${address(1)}/24 dev ${bridge}`,
    `link set ${bridge} up`,
  ]);
  const folder = join(directory, 'dhcp');
  await mkdir(folder, { recursive: true });
  const configuration = join(folder, 'udhcpd.conf');
  await writeFile(
    configuration,
    [
      `start ${address(2)}`,
      `end ${address(250)}`,
      `interface ${bridge}`,
      `lease_file ${join(folder, 'leases')}`,
      `pidfile ${join(folder, 'pid')}`,
      'option subnet 255.255.255.0',
      `option router ${address(1)}`,
      // Seconds. A client asks again after half of it.
      'option lease 6',
      'min_lease 2',
    ].join('\n'),
  );
  await writeFile(join(folder, 'leases'), '');
  start(namespace, 'busybox', ['udhcpd', '-f', '-a', '1', configuration]);
  const socket = dhcpSocket(directory);
  start(namespace, join(pluginDirectory, 'dhcp'), ['daemon', '-socketpath', socket]);
  for (let tries = 0; !(await exists(socket)); tries++) {
    if (tries > 500) throw new LabError('timeout', 'the daemon of the dhcp plugin does not listen after 10 s');
    await delay(20);
  }
}

function start(namespace: string, file: string, args: readonly string[]): void {
  const child = spawn(...enterNamespace(namespace, file, args), { stdio: 'ignore' });
  child.on('error', () => {});
  child.unref();
}
