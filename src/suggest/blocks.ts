import type { Cluster } from '../evaluator/cluster.ts';
import { textAt, listAt, type JsonObject } from '../lib/json.ts';
import {
  addressBits,
  containsAddress,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  type AddressRange,
  type Family,
} from '../model/address.ts';

/** A block takes the place of single addresses if so many of them were seen in it, and it is never wider than this. */
const leastAddresses = 8;
const blockBits: Readonly<Record<Family, number>> = { ipv4: 24, ipv6: 64 };

/** Addresses of the cluster, which a block of addresses outside must not hold: `ipBlock` also matches pods and nodes (S3.7). */
export class InsideAddresses {
  readonly #ranges: readonly AddressRange[];
  /** The first two addresses of each node's pod range, canonical: those of its tunnel and of its bridge. */
  readonly #devices: ReadonlySet<string>;
  /** All addresses of the cluster are known. */
  readonly isWhole: boolean;

  constructor(
    objects: readonly JsonObject[],
    { claimants, nodeAddresses }: Pick<Cluster, 'claimants' | 'nodeAddresses'>,
    shows: Cluster['shows'] = 'whole',
  ) {
    this.isWhole = shows === 'whole';
    const podRanges = objects
      .filter((each) => each['kind'] === 'Node')
      .flatMap((node) => [textAt(node, 'spec', 'podCIDR'), ...listAt(node, 'spec', 'podCIDRs')])
      .filter((text) => typeof text === 'string');
    const addresses = [...claimants.keys(), ...nodeAddresses.keys()].flatMap((text) => {
      const address = parseAddress(text);
      return address ? [{ family: address.family, first: address.value, last: address.value }] : [];
    });
    const ranges = podRanges.map(parseCidr).filter((range) => range !== undefined);
    this.#ranges = [...ranges, ...addresses];
    const devices = ranges.flatMap(({ family, first }) =>
      [first, first + 1n].map((value) => formatAddress(family, value)),
    );
    this.#devices = new Set(devices);
  }

  /** Whether the range holds addresses that are of pods, of nodes, or free for pods. The address of a node's own device in its pod range does not count. */
  meets({ family, first, last }: AddressRange): boolean {
    if (first === last && this.#devices.has(formatAddress(family, first))) return false;
    return this.#ranges.some((each) => each.family === family && each.first <= last && first <= each.last);
  }
}

/** Replaces eight addresses or more of one block by the block, unless it holds addresses of the cluster, or may hold some. The result is canonical and without duplicates. */
export function foldBlocks(cidrs: readonly string[], inside: InsideAddresses): string[] {
  const ranges = [...new Set(cidrs)].map((cidr) => parseCidr(cidr)).filter((range) => range !== undefined);
  const groups = Map.groupBy(ranges, (range) => {
    const around = blockAround(range);
    return around === undefined || !inside.isWhole || inside.meets(around) ? formatCidr(range) : formatCidr(around);
  });
  const folded = [...groups].flatMap(([block, members]) =>
    members.length >= leastAddresses ? [block] : members.map(formatCidr),
  );
  return folded.filter((cidr, _, all) => !all.some((other) => other !== cidr && isWithin(cidr, other)));
}

/** `undefined` for a block as wide already. */
function blockAround({ family, first, last }: AddressRange): AddressRange | undefined {
  if (first !== last) return undefined;
  const hostBits = BigInt(addressBits[family] - blockBits[family]);
  const start = (first >> hostBits) << hostBits;
  return { family, first: start, last: start + (1n << hostBits) - 1n };
}

function isWithin(cidr: string, other: string): boolean {
  const [range, around] = [parseCidr(cidr)!, parseCidr(other)!];
  const { family } = range;
  return (
    containsAddress(around, { family, value: range.first }) && containsAddress(around, { family, value: range.last })
  );
}
