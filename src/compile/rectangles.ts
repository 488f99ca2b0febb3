import { mergeRanges, type AddressRange } from '../model/address.ts';
import { mergePorts, portSetText, subtractPorts, type PortRange } from './port-set.ts';

/** Addresses times ports. */
export interface Rectangle {
  readonly range: AddressRange;
  readonly ports: readonly PortRange[];
}

/**
 * The same area in pieces that do not overlap: an interval set refuses overlaps, and which ones depends on their order
 * (EEXIST; net/netfilter/nft_set_pipapo.c). One family at a time.
 *
 * The wider block stays whole, and a narrower one keeps only the ports that no wider one has there. Cutting the wider one instead
 * would repeat its ports in each piece: a /0 with 250 ports beside 2,000 addresses would be half a million elements.
 */
export function cutOverlaps(rectangles: readonly Rectangle[]): Rectangle[] {
  const ranked = rectangles.toSorted(compareWidest);
  const borders = new Map<bigint, { opened: number[]; closed: number[] }>();
  const at = (border: bigint): { opened: number[]; closed: number[] } => {
    let known = borders.get(border);
    if (!known) borders.set(border, (known = { opened: [], closed: [] }));
    return known;
  };
  for (const [rank, { range }] of ranked.entries()) {
    at(range.first).opened.push(rank);
    at(range.last + 1n).closed.push(rank);
  }
  const pieces: Rectangle[] = [];
  const open = new Map<number, { first: bigint; ports: readonly PortRange[] }>();
  const active: number[] = [];
  const root = layer([]);
  for (const border of [...borders.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    const { opened, closed } = borders.get(border)!;
    for (const rank of closed) active.splice(findRank(active, rank), 1);
    for (const rank of opened) active.splice(findRank(active, rank), 0, rank);
    let above = root;
    const remaining = new Map<number, readonly PortRange[]>();
    for (const rank of active) {
      above = below(above, rank, ranked[rank]!.ports);
      if (above.rest.length > 0) remaining.set(rank, above.rest);
    }
    for (const [rank, { first, ports }] of open) {
      const rest = remaining.get(rank);
      if (rest && (rest === ports || portSetText(rest) === portSetText(ports))) remaining.delete(rank);
      else {
        pieces.push({ range: { family: ranked[rank]!.range.family, first, last: border - 1n }, ports });
        open.delete(rank);
      }
    }
    for (const [rank, ports] of remaining) open.set(rank, { first: border, ports });
  }
  return joinNeighbours(pieces);
}

/** What the open blocks down to one of them cover. Remembered as a tree, since the same ones lie over many narrower ones. */
interface Layer {
  readonly covered: readonly PortRange[];
  /** The ports that the last block adds to those above it. */
  readonly rest: readonly PortRange[];
  readonly below: Map<number, Layer>;
}

function layer(covered: readonly PortRange[], rest: readonly PortRange[] = []): Layer {
  return { covered, rest, below: new Map() };
}

function below(above: Layer, rank: number, ports: readonly PortRange[]): Layer {
  let known = above.below.get(rank);
  if (!known) {
    const rest = subtractPorts(ports, above.covered);
    known = layer(rest.length === 0 ? above.covered : mergePorts([...above.covered, ...rest]), rest);
    above.below.set(rank, known);
  }
  return known;
}

/** Where the rank stands in the ascending list, or would. */
function findRank(ranks: readonly number[], rank: number): number {
  let [low, high] = [0, ranks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranks[middle]! < rank) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareWidest(a: Rectangle, b: Rectangle): number {
  const [widthA, widthB] = [a, b].map(({ range }) => range.last - range.first) as [bigint, bigint];
  if (widthA !== widthB) return widthA > widthB ? -1 : 1;
  if (a.range.first !== b.range.first) return a.range.first < b.range.first ? -1 : 1;
  return portSetText(a.ports) < portSetText(b.ports) ? -1 : 1;
}

function joinNeighbours(pieces: readonly Rectangle[]): Rectangle[] {
  const byPorts = Map.groupBy(pieces, ({ ports }) => portSetText(ports));
  const joined = [...byPorts.values()].flatMap((equal) => {
    const { ports } = equal[0]!;
    return mergeRanges(equal.map(({ range }) => range)).map((range) => ({ range, ports }));
  });
  return joined.sort(compareWidest);
}
