import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FurtherNetwork, Known } from '../../doctor/facts.ts';
import { isJsonObject, listAt, textAt } from '../../lib/json.ts';
import { formatAddress } from '../../model/address.ts';
import { messageOf } from '../../lib/message-of.ts';

export type ReadText = (path: string) => Promise<string>;

const sysctlNames = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.netfilter.nf_conntrack_tcp_loose',
] as const;

export async function readSysctls(read: ReadText): Promise<Record<string, string>> {
  const entries = sysctlNames.map(async (name) => {
    const text = await read(`/proc/sys/${name.replaceAll('.', '/')}`).catch(() => undefined);
    return text === undefined ? [] : [[name, text.trim()] as const];
  });
  return Object.fromEntries((await Promise.all(entries)).flat());
}

export async function readConntrack(read: ReadText): Promise<Known<{ count: number; max: number }>> {
  const number = async (name: string): Promise<number> => {
    const text = (await read(`/proc/sys/net/netfilter/nf_conntrack_${name}`)).trim();
    if (!/^[0-9]+$/.test(text)) throw new Error(`nf_conntrack_${name} is ${JSON.stringify(text.slice(0, 40))}`);
    return Number(text);
  };
  try {
    return { value: { count: await number('count'), max: await number('max') } };
  } catch (error) {
    return { unknown: messageOf(error) };
  }
}

/** Names of the tables of iptables-legacy, which nft does not list. */
export async function readLegacyTables(read: ReadText): Promise<string[]> {
  const texts = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'].map((path) => read(path).catch(() => ''));
  return [...new Set((await Promise.all(texts)).flatMap((text) => text.split('\n')).filter((name) => name !== ''))];
}

/** Addresses of UDP sockets on port 53, without loopback and wildcard addresses. */
export async function readDnsAddresses(read: ReadText): Promise<string[]> {
  const texts = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((path) => read(path).catch(() => '')));
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/^\s*\d+: ([0-9A-F]+):0035 /gm)].flatMap(readAddress)))];
}

/** The kernel prints an address as 32-bit words in host byte order (here little-endian). */
function readAddress([, hex = '']: RegExpMatchArray): string[] {
  const words = hex.match(/.{8}/g) ?? [];
  const value = words.map((word) => word.match(/../g)!.toReversed().join('')).join('');
  const family = words.length === 1 ? 'ipv4' : 'ipv6';
  const address = formatAddress(family, BigInt(`0x${value || '0'}`));
  return /^(0\.0\.0\.0|127\..*|::1?|::ffff:.*)$/.test(address) ? [] : [address];
}

/** Limit of cache entries; each is read whole. */
const maxEntries = 2000;

/** Additional networks of pods, from the CNI result cache of the container runtime (libcni). Empty without a cache. */
export async function readFurtherNetworks(directory: string | undefined, read: ReadText): Promise<FurtherNetwork[]> {
  if (directory === undefined) return [];
  const names = (await readdir(directory).catch(() => []))
    .filter((name) => !/-(eth0|lo)$/.test(name))
    .slice(0, maxEntries);
  const networks = await Promise.all(
    names.map(async (name) => {
      const entry = parse(await read(join(directory, name)).catch(() => ''));
      const args = new Map(
        listAt(entry, 'cniArgs').map((pair) => (Array.isArray(pair) ? pair : []) as [unknown, unknown]),
      );
      const [namespace, pod] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')];
      const [network, device] = [textAt(entry, 'networkName'), textAt(entry, 'ifName')];
      if (typeof namespace !== 'string' || typeof pod !== 'string' || network === undefined || device === undefined)
        return [];
      return [{ pod: `${namespace}/${pod}`, network, device }];
    }),
  );
  return networks.flat();
}

function parse(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text);
    return isJsonObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

export const readText: ReadText = (path) => readFile(path, 'utf8');
