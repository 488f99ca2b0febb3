import { compareText } from '../lib/sort.ts';
import type { NamedPort } from '../model/cluster.ts';
import type { PortMatch, Protocol } from '../model/policy.ts';

export interface PortRange {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

/** Sorted, disjoint and not touching, so that equal sets are equal text; `any` also covers protocols without ports. */
export type PortSet = readonly PortRange[] | 'any';

export function portSetOf(ports: readonly (PortMatch | PortRange)[]): PortSet {
  const ranges: PortRange[] = [];
  for (const port of ports) {
    if ('kind' in port && port.kind === 'any') return 'any';
    if ('first' in port) ranges.push({ protocol: port.protocol, first: port.first, last: port.last });
  }
  return mergePorts(ranges);
}

/** The numbers that a pod declares under the name with the protocol (S4.6, S4.11). */
export function resolveNamedPort(
  port: { name: string; protocol: Protocol },
  declared: readonly NamedPort[],
): PortRange[] {
  return declared
    .filter((each) => each.name === port.name && each.protocol === port.protocol)
    .map((each) => ({ protocol: each.protocol, first: each.port, last: each.port }));
}

export function portSetText(ports: PortSet): string {
  return ports === 'any' ? 'any' : ports.map(portRangeText).join(', ');
}

/** The text of an element in a set of type `inet_proto . inet_service`. */
export function portRangeText({ protocol, first, last }: PortRange): string {
  return `${protocol.toLowerCase()} . ${first === last ? first : `${first}-${last}`}`;
}

/** Of each range. Ports of a rule are the same array in each compile. */
export function portTexts(ports: readonly PortRange[]): readonly string[] {
  let texts = textsOfPorts.get(ports);
  if (!texts) textsOfPorts.set(ports, (texts = ports.map(portRangeText)));
  return texts;
}

const textsOfPorts = new WeakMap<readonly PortRange[], readonly string[]>();

export function hasInterval(ports: readonly PortRange[]): boolean {
  return ports.some(({ first, last }) => first !== last);
}

/**
 * How many single ports may replace ranges. An interval lookup costs a packet about 165 ns more than a hash lookup (docs/performance/all.md: a
 * block and a group behind a port).
 *
 * - `ofTuples`: each port makes a tuple for each peer. A class may have this many times as many elements as peers and ports (`class-shape.ts`), so
 *   single ports alone never change its layout.
 * - `ofMaps`: a map has its ports once, for all peers. 256 ports cost 1,280 units, about 2.6 ms of nft (docs/decisions/0014).
 */
export const maxSinglePorts = { ofTuples: 8, ofMaps: 256 } as const;

export function countPorts(ports: readonly PortRange[]): number {
  return ports.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** Splits ranges into single ports for an exact lookup. Returns `ports` itself if that would make more than `most`. */
export function singlePorts(ports: readonly PortRange[], most: number): readonly PortRange[] {
  const count = countPorts(ports);
  if (count === ports.length || count > most) return ports;
  return ports.flatMap(({ protocol, first, last }) =>
    Array.from({ length: last - first + 1 }, (_, i) => ({ protocol, first: first + i, last: first + i })),
  );
}

export function mergePorts(ranges: readonly PortRange[]): PortRange[] {
  const ascending = ranges.toSorted((a, b) => compareText(a.protocol, b.protocol) || a.first - b.first);
  const merged: PortRange[] = [];
  for (const range of ascending) {
    const previous = merged.at(-1);
    if (previous?.protocol === range.protocol && range.first <= previous.last + 1) {
      if (range.last > previous.last) merged[merged.length - 1] = { ...previous, last: range.last };
    } else merged.push(range);
  }
  return merged;
}
