import type { Exec } from './exec.ts';
import { askIp } from './ip.ts';

export interface Device {
  /** For example `veth`; a physical device has none. */
  readonly kind: string | undefined;
  /** The lower device, if it is in this network namespace too. */
  readonly lower: string | undefined;
  /** For a bridge: whether the packets that it forwards reach the rules whatever the node's settings are. */
  readonly netfilter: Readonly<Record<BridgeHook, boolean>> | undefined;
}

export type BridgeHook = 'iptables' | 'ip6tables';

/** Device name → device. */
export type Devices = ReadonlyMap<string, Device>;

/** Reads all bridges and the named devices that exist. A node has hundreds of devices, and the kernel is slow to describe them all. */
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
  /** The kind of the device's master. */
  readonly info_slave_kind?: unknown;
  readonly info_data?: Readonly<Record<string, unknown>>;
}

/** A device's kind and master. */
export interface LinkDescription {
  /** For example `veth`; a physical device has none. */
  readonly kind: string | undefined;
  readonly master: { readonly name: string; readonly kind: string | undefined } | undefined;
}

/** Describes the named devices that exist, by name, in one run of ip(8). */
export async function describeLinks(
  exec: Exec,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LinkDescription>> {
  const commands = Array.from(names, (name) => `link show dev ${name}`);
  // Every network namespace has a loopback device. If ip does not list it, its answers for the other devices are missing too.
  const [, ...answers] = await askIp(exec, { always: ['link show dev lo'], commands }, signal);
  const links = new Map<string, LinkDescription>();
  for (const { ifname, master, linkinfo } of answers.flat()) {
    if (typeof ifname !== 'string') continue;
    const { info_kind: kind, info_slave_kind: masterKind } = (linkinfo ?? {}) as LinkInfo;
    links.set(ifname, {
      kind: typeof kind === 'string' ? kind : undefined,
      master:
        typeof master === 'string'
          ? { name: master, kind: typeof masterKind === 'string' ? masterKind : undefined }
          : undefined,
    });
  }
  return links;
}
