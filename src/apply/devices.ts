import type { Exec } from './exec.ts';
import { askIp } from './ip.ts';

export interface Device {
  /** As `veth`; a physical one has none. */
  readonly kind: string | undefined;
  /** The device below, if that is in this namespace too. */
  readonly lower: string | undefined;
  /** Of a bridge: whether what it switches meets the rules, whatever the node's settings say. */
  readonly netfilter: Readonly<Record<BridgeHook, boolean>> | undefined;
}

export type BridgeHook = 'iptables' | 'ip6tables';

/** By name. */
export type Devices = ReadonlyMap<string, Device>;

/** All bridges, and those of the named ones that there are: a node has hundreds of devices, and the kernel is slow to describe them. */
export async function readDevices(exec: Exec, names: Iterable<string>, signal: AbortSignal): Promise<Devices> {
  const commands = Array.from(names, (name) => `link show dev ${name}`);
  const devices = new Map<string, Device>();
  const answers = await askIp(exec, { always: ['link show type bridge'], commands }, signal);
  for (const { ifname, link, linkinfo } of answers.flat()) {
    if (typeof ifname !== 'string') continue;
    const { info_kind: kind, info_data: data } = (linkinfo ?? {}) as LinkInfo;
    devices.set(ifname, {
      kind: typeof kind === 'string' ? kind : undefined,
      lower: typeof link === 'string' ? link : undefined,
      netfilter:
        kind === 'bridge'
          ? { iptables: data?.['nf_call_iptables'] === 1, ip6tables: data?.['nf_call_ip6tables'] === 1 }
          : undefined,
    });
  }
  return devices;
}

interface LinkInfo {
  readonly info_kind?: unknown;
  readonly info_data?: Readonly<Record<string, unknown>>;
}
