import type { Devices } from './devices.ts';
import type { Problem } from './environment.ts';
import type { Exec } from './exec.ts';
import { askIp } from './ip.ts';

/**
 * Who balances Services by IPVS holds their addresses on a device of this name. Its requests pass LOCAL_IN before they are rewritten
 * and leave by LOCAL_OUT, so that the forward hook sees replies only (S6.7, K14).
 */
const proxies: Readonly<Record<string, { readonly name: string; readonly remedy: string }>> = {
  // Changed to iptables mode, it leaves device and virtual services behind (kubernetes: platformCleanup of cmd/kube-proxy).
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
  /** Rejects for a file that is not there. */
  readonly readFile: (path: string) => Promise<string>;
}

/**
 * A device without addresses, beside a kernel without virtual services, does nothing. Virtual services without such a device are
 * not a Service proxy's, and none of ours.
 */
export async function checkIpvs(devices: Devices, { exec, readFile }: Sources, signal: AbortSignal): Promise<Problem> {
  const problems: string[] = [];
  for (const [device, { name, remedy }] of Object.entries(proxies)) {
    if (!devices.has(device)) continue;
    const inUse = (await hasAddresses(exec, device, signal)) || (await hasVirtualServices(readFile));
    if (inUse) problems.push(`${name} (device ${device}) takes requests to Services past all policies: ${remedy}`);
  }
  return problems.length === 0 ? undefined : problems.join('; ');
}

async function hasAddresses(exec: Exec, device: string, signal: AbortSignal): Promise<boolean> {
  const answers = await askIp(exec, { commands: [`address show dev ${device}`] }, signal);
  return answers.flat().some(({ addr_info: addresses }) => {
    return Array.isArray(addresses) && addresses.some((each: { scope?: unknown }) => each.scope !== 'link');
  });
}

/** After two lines of headings, a line each; the lines of their servers begin with an arrow. Missing without the module ip_vs. */
async function hasVirtualServices(readFile: Sources['readFile']): Promise<boolean> {
  const table = await readFile('/proc/net/ip_vs').catch(() => '');
  return /^(TCP|UDP|SCTP|FWM) /m.test(table);
}
