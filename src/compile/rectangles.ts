import type { AddressRange } from '../model/address.ts';
import { portSetOf, portSetText, type PortRange } from './port-set.ts';

/** Addresses times ports. */
export interface Rectangle {
  readonly range: AddressRange;
  readonly ports: readonly PortRange[];
}

/**
 * The same area in pieces that do not overlap: an interval set refuses overlaps, and which ones depends on their order
 * (EEXIST; net/netfilter/nft_set_pipapo.c). Cuts the addresses of one family at every border, and joins neighbours with equal ports.
 */
export function cutOverlaps(rectangles: readonly Rectangle[]): Rectangle[] {
  const family = rectangles[0]?.range.family;
  if (!family) return [];
  const starts = new Map<bigint, Rectangle[]>();
  const ends = new Map<bigint, Rectangle[]>();
  for (const rectangle of rectangles) {
    push(starts, rectangle.range.first, rectangle);
    push(ends, rectangle.range.last + 1n, rectangle);
  }
  const borders = [...new Set([...starts.keys(), ...ends.keys()])].sort((a, b) => (a < b ? -1 : 1));
  const open = new Set<Rectangle>();
  const pieces: Rectangle[] = [];
  for (const [index, border] of borders.entries()) {
    for (const rectangle of ends.get(border) ?? []) open.delete(rectangle);
    for (const rectangle of starts.get(border) ?? []) open.add(rectangle);
    const next = borders[index + 1];
    if (next === undefined || open.size === 0) continue;
    const ports = portSetOf([...open].flatMap((each) => each.ports)) as readonly PortRange[];
    const previous = pieces.at(-1);
    if (previous && previous.range.last + 1n === border && portSetText(previous.ports) === portSetText(ports)) {
      pieces[pieces.length - 1] = { range: { ...previous.range, last: next - 1n }, ports };
    } else pieces.push({ range: { family, first: border, last: next - 1n }, ports });
  }
  return pieces;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
