import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { needsOf, pluginsOf, type LabNetwork } from './cni-config.ts';
import { LabError } from './error.ts';
import type { Requirement } from './network-maker.ts';
import { networkMakers, type NodeNetwork } from './node-network.ts';
import { messageOf } from '../lib/message-of.ts';
import { python } from './pod-process.ts';

/** Path of Debian and Ubuntu. */
export const pluginDirectory = '/usr/lib/cni';

/** Programs with their Debian packages. */
const programs: readonly (readonly [program: string, debianPackage: string])[] = [
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['nft', 'nftables'],
  ['iptables', 'iptables'],
  ['socat', 'socat'],
];

const features: readonly Requirement[] = [
  {
    what: 'network namespaces',
    command: 'unshare --net true',
    remedy: 'run on a machine or VM that allows them',
  },
  { what: 'nf_tables', command: 'unshare --net nft list tables', remedy: 'modprobe nf_tables' },
];

/** Rejects with LabError `machine` that names the first missing requirement and how to install it. */
export async function checkMachine(network: LabNetwork, between: NodeNetwork = 'routed'): Promise<void> {
  if (process.getuid?.() !== 0) throw missing('the lab needs root', 'run it with sudo');
  for (const [program, name] of programs) {
    if (!(await isOnPath(program))) throw missing(`${program} is not installed`, `apt-get install ${name}`);
  }
  if (!(await exists(python))) throw missing(`${python} is not installed`, 'apt-get install python3');
  const plugins = pluginsOf(network);
  for (const plugin of plugins) {
    if (await exists(join(pluginDirectory, plugin))) continue;
    const source =
      plugin === 'flannel' ? 'take it from flannel-io/cni-plugin' : 'apt-get install containernetworking-plugins';
    throw missing(`${pluginDirectory}/${plugin} is not installed`, source);
  }
  if (plugins.includes('dhcp') && !(await isOnPath('busybox'))) {
    throw missing('busybox is not installed (its udhcpd is the DHCP server)', 'apt-get install busybox');
  }
  for (const each of [...features, ...needsOf(network), ...(networkMakers[between].needs ?? [])]) await tryKernel(each);
  // S6.8. Namespaces that are created after the module is loaded have its sysctls.
  if (plugins.includes('bridge') && !(await exists('/proc/sys/net/bridge/bridge-nf-call-iptables'))) {
    throw missing('the kernel has no bridge netfilter', 'modprobe br_netfilter, or use --cni ptp');
  }
}

async function tryKernel({ what, command, remedy }: Requirement): Promise<void> {
  try {
    await runCommand('sh', ['-c', command]);
  } catch (error) {
    throw missing(`${what} cannot be used (${messageOf(error).split('\n')[0]})`, remedy);
  }
}

function isOnPath(program: string): Promise<boolean> {
  return runCommand('sh', ['-c', 'command -v "$1"', 'sh', program]).then(
    () => true,
    () => false,
  );
}

export function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

function missing(what: string, remedy: string): LabError {
  return new LabError('machine', `${what}: ${remedy}`);
}
