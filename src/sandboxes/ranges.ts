import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import { addressBits, formatAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';

/**
 * Reads the pod ranges of this node from a CNI network configuration, as canonical CIDRs. Only host-local has ranges of one node. Other IPAM plugins
 * manage ranges of the whole cluster.
 * @param config base64 of a plugin list, or of one plugin
 */
export function readRanges(config: string): string[] {
  let root: unknown;
  try {
    root = JSON.parse(Buffer.from(config, 'base64').toString());
  } catch {
    return [];
  }
  const plugins = isJsonObject(root) && 'plugins' in root ? listAt(root, 'plugins') : [root];
  return [...new Set(plugins.flatMap(readPlugin))];
}

function readPlugin(plugin: unknown): string[] {
  if (textAt(plugin, 'ipam', 'type') !== 'host-local') return [];
  // host-local accepts one range in `ipam` itself, and sets of ranges in `ipam.ranges`. Both count.
  const ipam = isJsonObject(plugin) ? plugin['ipam'] : undefined;
  const ranges = [ipam, ...listAt(ipam, 'ranges').flatMap((set): unknown[] => (Array.isArray(set) ? set : []))];
  return ranges.flatMap(readRange);
}

/** Nodes that share a subnet use different parts of it, from `rangeStart` to `rangeEnd`. */
function readRange(range: unknown): string[] {
  const subnet = parseCidr(textAt(range, 'subnet') ?? '');
  if (!subnet) return [];
  const [start, end] = [textAt(range, 'rangeStart'), textAt(range, 'rangeEnd')];
  const first = start === undefined ? subnet.first : valueOf(start, subnet);
  const last = end === undefined ? subnet.last : valueOf(end, subnet);
  return first === undefined || last === undefined ? [] : writeCidrs({ ...subnet, first, last });
}

function valueOf(text: string, subnet: AddressRange): bigint | undefined {
  const address = parseAddress(text);
  if (address?.family !== subnet.family) return undefined;
  return subnet.first <= address.value && address.value <= subnet.last ? address.value : undefined;
}

/** Splits the range into the fewest CIDRs. */
function writeCidrs({ family, first, last }: AddressRange): string[] {
  const cidrs: string[] = [];
  for (let start = first; start <= last;) {
    let size = 0;
    while (size < addressBits[family]) {
      const block = 1n << BigInt(size + 1);
      if (start % block !== 0n || start + block - 1n > last) break;
      size++;
    }
    cidrs.push(`${formatAddress(family, start)}/${addressBits[family] - size}`);
    start += 1n << BigInt(size);
  }
  return cidrs;
}
