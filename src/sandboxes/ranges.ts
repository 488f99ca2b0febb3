import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import { addressBits, formatAddress, parseAddress, parseCidr, type AddressRange } from '../model/address.ts';

/**
 * The ranges from which a network's own configuration gives pods their addresses on this node, as canonical CIDRs: those of host-local, which
 * are the node's alone. Other address managers keep theirs for the whole cluster.
 * @param config base64 of a list of plugins, or of one plugin
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
  // The first form has one range, the second sets of ranges; who uses both gets both.
  const ipam = isJsonObject(plugin) ? plugin['ipam'] : undefined;
  const ranges = [ipam, ...listAt(ipam, 'ranges').flatMap((set): unknown[] => (Array.isArray(set) ? set : []))];
  return ranges.flatMap(readRange);
}

/** Nodes that share a subnet each have their part of it from `rangeStart` to `rangeEnd`; the rest is pods of others. */
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

/** The fewest blocks that are the range. */
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
