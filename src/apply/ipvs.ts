import type { Devices } from './devices.ts';
import type { Problem } from './environment.ts';
import type { Exec } from './exec.ts';
import { askIp } from './ip.ts';

/**
 * A Service proxy that uses IPVS keeps the Service addresses on a device of this name. Requests to them pass LOCAL_IN before IPVS rewrites them,
 * and leave by LOCAL_OUT. So the forward hook sees only the replies (S6.7, K14).
 */
const proxies: Readonly<Record<string, { readonly name: string; readonly remedy: string }>> = {
  // A kube-proxy that is switched to iptables mode leaves the device and the virtual services (kubernetes: platformCleanup of cmd/kube-proxy).
  'kube-ipvs0': {
    name: "kube-proxy's IPVS mode",
    remedy:
      'set its mode to nftables or iptables, then run kube-proxy --cleanup or restart the node: the old mode leaves its rules behind',
  },
  'kube-dummy-if': {
    name: "kube-router's service proxy",
    remedy: 'run kube-router with --run-service-proxy=false and kube-proxy in its place, then restart the node',
  },
};

export const ipvsDevices: readonly string[] = Object.keys(proxies);

interface Sources {
  readonly exec: Exec;
  /** Rejects if the file does not exist. */
  readonly readFile: (path: string) => Promise<string>;
}

/**
 * Reports a Service proxy that uses IPVS. A device without addresses is harmless if the kernel has no virtual services either. Virtual services
 * without such a device do not belong to a Service proxy, and Postern ignores them.
 */
export async function checkIpvs(devices: Devices, { exec, readFile }: Sources, signal: AbortSignal): Promise<Problem> {
  const problems: string[] = [];
  for (const [device, { name, remedy }] of Object.entries(proxies)) {
    if (!devices.has(device)) continue;
    const inUse = (await hasAddresses(exec, device, signal)) || (await hasVirtualServices(readFile));
    if (inUse) problems.push(`${name} (device ${device}) forwards requests to Services around all policies: ${remedy}`);
  }
  return problems.length === 0 ? undefined : problems.join('; ');
}

async function hasAddresses(exec: Exec, device: string, signal: AbortSignal): Promise<boolean> {
  const answers = await askIp(exec, { commands: [`address show dev ${device}`] }, signal);
  return answers.flat().some(({ addr_info: addresses }) => {
    return Array.isArray(addresses) && addresses.some((each: { scope?: unknown }) => each.scope !== 'link');
  });
}

/** /proc/net/ip_vs has one line for each virtual service, after two header lines; lines of real servers begin with an arrow. Without the module ip_vs the file is missing. */
async function hasVirtualServices(readFile: Sources['readFile']): Promise<boolean> {
  const table = await readFile('/proc/net/ip_vs').catch(() => '');
  return /^(TCP|UDP|SCTP|FWM) /m.test(table);
}
