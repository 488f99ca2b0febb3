import { sorted } from '../lib/sort.ts';
import type { BridgeHook, Devices } from './devices.ts';
import type { Problem } from './environment.ts';

/**
 * Packets between two ports of a bridge reach our rules only if bridge netfilter is on (S6.8, K12). The setting exists for the node and for each
 * bridge, and for each family.
 * @param bridged canonical address of a local pod → the bridge that leads to it
 * @param readFile rejects if the file does not exist
 */
export async function checkBridgeNetfilter(
  bridged: ReadonlyMap<string, string>,
  devices: Devices,
  readFile: (path: string) => Promise<string>,
): Promise<Problem> {
  const unhooked = new Map<BridgeHook, Set<string>>();
  for (const [address, bridge] of bridged) {
    const hook: BridgeHook = address.includes(':') ? 'ip6tables' : 'iptables';
    const isOff = devices.get(bridge)?.netfilter?.[hook] === false;
    if (isOff) unhooked.set(hook, (unhooked.get(hook) ?? new Set()).add(bridge));
  }
  const problems: string[] = [];
  for (const [hook, names] of unhooked) {
    const setting = await readSetting(readFile, hook);
    if (setting !== '1') problems.push(describe(hook, sorted(names), setting));
  }
  return problems.length === 0 ? undefined : problems.join('; ');
}

/** `undefined` if the module is not loaded. */
async function readSetting(readFile: (path: string) => Promise<string>, hook: BridgeHook): Promise<string | undefined> {
  return readFile(`/proc/sys/net/bridge/bridge-nf-call-${hook}`).then(
    (text) => text.trim(),
    () => undefined,
  );
}

function describe(hook: BridgeHook, bridges: readonly string[], setting: string | undefined): string {
  const family = hook === 'iptables' ? 'IPv4' : 'IPv6';
  const name = `net.bridge.bridge-nf-call-${hook}`;
  const wrong = setting === undefined ? 'br_netfilter is not loaded' : `${name} is ${setting}`;
  const remedy = `${setting === undefined ? 'modprobe br_netfilter && ' : ''}sysctl -w ${name}=1`;
  return `${family} between pods on bridge ${bridges.join(', ')} bypasses all policies: ${wrong}; run: ${remedy}`;
}
