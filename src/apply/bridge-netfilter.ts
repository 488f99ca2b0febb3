import { sorted } from '../lib/sort.ts';
import type { Problem } from './environment.ts';
import type { Exec } from './exec.ts';

/**
 * Packets between two ports of a bridge meet our rules only with bridge netfilter on (S6.8), for the node or for that bridge,
 * each family by itself.
 */
export interface BridgeNetfilterCheck {
  /** The addresses of the local pods, canonical. Cheap when they are the same as before. */
  (addresses: Iterable<string>, signal: AbortSignal): Promise<Problem>;
}

interface Bridge {
  readonly iptables: boolean;
  readonly ip6tables: boolean;
}
type Hook = keyof Bridge;

interface Sources {
  readonly exec: Exec;
  /** Rejects for a file that is not there. */
  readonly readFile: (path: string) => Promise<string>;
}

export function createBridgeNetfilterCheck({ exec, readFile }: Sources): BridgeNetfilterCheck {
  /** Local address → the device it is reached over. */
  let devices = new Map<string, string>();

  return async (addresses, signal) => {
    const known = new Map<string, string>();
    const unknown: string[] = [];
    for (const address of addresses) {
      const device = devices.get(address);
      if (device === undefined) unknown.push(address);
      else known.set(address, device);
    }
    for (const [address, device] of await findDevices(exec, unknown, signal)) known.set(address, device);
    devices = known;
    if (devices.size === 0) return undefined;

    const bridges = await readBridges(exec, signal);
    const unhooked = new Map<Hook, Set<string>>();
    for (const [address, device] of devices) {
      const hook: Hook = address.includes(':') ? 'ip6tables' : 'iptables';
      if (bridges.get(device)?.[hook] === false) unhooked.set(hook, (unhooked.get(hook) ?? new Set()).add(device));
    }
    const problems: string[] = [];
    for (const [hook, names] of unhooked) {
      const setting = await readGlobal(readFile, hook);
      if (setting !== '1') problems.push(describe(hook, sorted(names), setting));
    }
    return problems.length === 0 ? undefined : problems.join('; ');
  };
}

/** On-link addresses only: what is reached through a gateway is not (yet) a pod of this node. */
async function findDevices(
  exec: Exec,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const devices = new Map<string, string>();
  if (addresses.length === 0) return devices;
  const input = addresses.map((address) => `route get ${address}\n`).join('');
  // -force: an address without a route must not end the batch. Each answer is an array on a line of its own.
  const { stdout } = await exec('ip', ['-force', '-json', '-batch', '-'], { signal, input });
  for (const line of stdout.split('\n')) {
    for (const { dst, dev, gateway, via } of parseArray(line)) {
      if (typeof dst === 'string' && typeof dev === 'string' && !gateway && !via) devices.set(dst, dev);
    }
  }
  return devices;
}

async function readBridges(exec: Exec, signal: AbortSignal): Promise<Map<string, Bridge>> {
  const { stdout } = await exec('ip', ['-json', '-details', 'link', 'show', 'type', 'bridge'], { signal });
  const bridges = new Map<string, Bridge>();
  for (const { ifname, linkinfo } of parseArray(stdout)) {
    const data = (linkinfo as { info_data?: Record<string, unknown> } | undefined)?.info_data;
    if (typeof ifname !== 'string') continue;
    bridges.set(ifname, { iptables: data?.['nf_call_iptables'] === 1, ip6tables: data?.['nf_call_ip6tables'] === 1 });
  }
  return bridges;
}

/** `undefined`: the module is not loaded. */
async function readGlobal(readFile: Sources['readFile'], hook: Hook): Promise<string | undefined> {
  return readFile(`/proc/sys/net/bridge/bridge-nf-call-${hook}`).then(
    (text) => text.trim(),
    () => undefined,
  );
}

function describe(hook: Hook, bridges: readonly string[], setting: string | undefined): string {
  const family = hook === 'iptables' ? 'IPv4' : 'IPv6';
  const name = `net.bridge.bridge-nf-call-${hook}`;
  const wrong = setting === undefined ? 'br_netfilter is not loaded' : `${name} is ${setting}`;
  const remedy = `${setting === undefined ? 'modprobe br_netfilter && ' : ''}sysctl -w ${name}=1`;
  return `${family} between pods on bridge ${bridges.join(', ')} passes no policy: ${wrong}; run: ${remedy}`;
}

function parseArray(text: string): Record<string, unknown>[] {
  if (text.trim() === '') return [];
  const parsed: unknown = JSON.parse(text);
  return Array.isArray(parsed) ? parsed.filter((each) => typeof each === 'object' && each !== null) : [];
}
