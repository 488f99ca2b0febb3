import { mergeRanges, type AddressRange } from '../model/address.ts';
import { borderIndex, endOf, portBetween, startOf } from './port-line.ts';
import { mergePorts, portSetText, type PortRange } from './port-set.ts';

/** An address range and the ports that it may use. */
export interface Rectangle {
  readonly range: AddressRange;
  readonly ports: readonly PortRange[];
}

/**
 * Returns rectangles that cover the same area without overlaps. The kernel refuses overlaps in an interval set, and which ones depends on their order
 * (EEXIST; net/netfilter/nft_set_pipapo.c; K22). All rectangles must be of one family.
 *
 * For each port, this merges the address ranges that may use it; ports with equal ranges share a rectangle. So the result depends on the area
 * alone, and a wide block absorbs the narrow ones that share a port with it. Cutting the wide block instead would repeat its ports in each piece:
 * a /0 with 250 ports and 2,000 addresses would make half a million elements.
 */
export function cutOverlaps(rectangles: readonly Rectangle[]): Rectangle[] {
  const pieces: Rectangle[] = [];
  for (const cluster of clustersOf(rectangles)) {
    const found = new Map<string, { range: AddressRange; ports: PortRange[] }>();
    for (const { port, ranges } of columnsOf(cluster)) {
      for (const range of mergeRanges(ranges)) {
        const key = `${range.first.toString(36)}-${range.last.toString(36)}`;
        const known = found.get(key);
        if (known) known.ports.push(port);
        else found.set(key, { range, ports: [port] });
      }
    }
    for (const { range, ports } of found.values()) pieces.push({ range, ports: mergePorts(ports) });
  }
  return pieces.sort(compareWidest);
}

/** Upper bound for the elements and the work of `cutOverlaps`, without doing it. */
export function countPieces(rectangles: readonly Rectangle[]): number {
  let count = 0;
  for (const cluster of clustersOf(rectangles)) {
    const borders = bordersOf(cluster);
    for (const { ports } of cluster) {
      for (const port of ports) count += borderIndex(borders, endOf(port)) - borderIndex(borders, startOf(port));
    }
  }
  return count;
}

/** Groups rectangles whose addresses overlap or touch, directly or through others. */
function clustersOf(rectangles: readonly Rectangle[]): Rectangle[][] {
  const ascending = rectangles.toSorted((a, b) => compareBigints(a.range.first, b.range.first));
  const clusters: Rectangle[][] = [];
  let end: bigint | undefined;
  for (const rectangle of ascending) {
    const { first, last } = rectangle.range;
    if (end !== undefined && first <= end + 1n) clusters.at(-1)!.push(rectangle);
    else clusters.push([rectangle]);
    if (end === undefined || last > end) end = last;
  }
  return clusters;
}

/** Port ranges that no rectangle's border splits, ascending, each with the addresses that may use it. */
function columnsOf(cluster: readonly Rectangle[]): { port: PortRange; ranges: AddressRange[] }[] {
  const borders = bordersOf(cluster);
  const columns: AddressRange[][] = borders.map(() => []);
  for (const { range, ports } of cluster) {
    for (const port of ports) {
      const end = borderIndex(borders, endOf(port));
      for (let index = borderIndex(borders, startOf(port)); index < end; index++) columns[index]!.push(range);
    }
  }
  return columns.flatMap((ranges, index) => {
    return ranges.length > 0 ? [{ port: portBetween(borders[index]!, borders[index + 1]!), ranges }] : [];
  });
}

function bordersOf(cluster: readonly Rectangle[]): number[] {
  const borders = new Set<number>();
  for (const { ports } of cluster) {
    for (const port of ports) {
      borders.add(startOf(port));
      borders.add(endOf(port));
    }
  }
  return [...borders].sort((a, b) => a - b);
}

function compareWidest(a: Rectangle, b: Rectangle): number {
  const byWidth = compareBigints(b.range.last - b.range.first, a.range.last - a.range.first);
  return (
    byWidth || compareBigints(a.range.first, b.range.first) || (portSetText(a.ports) < portSetText(b.ports) ? -1 : 1)
  );
}

function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
