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
  /** The kind of what it is a port of. */
  readonly info_slave_kind?: unknown;
  readonly info_data?: Readonly<Record<string, unknown>>;
}

/**
 * Kinds of devices with one pod at their other end, whose packets the node routes. Not so macvlan, ipvlan and physical ones (K17), whose other end
 * is a whole network that reaches the pods by itself, and Open vSwitch, which switches before any hook.
 */
export const podLinkKinds: ReadonlySet<string | undefined> = new Set(['veth', 'netkit', 'tun']);

/** What a device is, and what it is a port of. */
export interface LinkDescription {
  /** As `veth`; a physical one has none. */
  readonly kind: string | undefined;
  readonly master: { readonly name: string; readonly kind: string | undefined } | undefined;
}

/** Those of the named devices that there are, by name, in one look. */
export async function describeLinks(
  exec: Exec,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LinkDescription>> {
  const commands = Array.from(names, (name) => `link show dev ${name}`);
  // Every namespace has a loopback: without an answer to that, nothing is known of the others.
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
