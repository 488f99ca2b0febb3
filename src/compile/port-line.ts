import type { Protocol } from '../model/policy.ts';
import type { PortRange } from './port-set.ts';

/** Maps ports of all protocols to one number line. Each protocol has room for a border after its last port. */
const protocolsOnLine: readonly Protocol[] = ['SCTP', 'TCP', 'UDP'];
const lineOfProtocol = 1 << 17;

/** Where the range begins on the line. */
export function startOf({ protocol, first }: PortRange): number {
  return protocolsOnLine.indexOf(protocol) * lineOfProtocol + first;
}

/** Where the range ends on the line: after its last port. */
export function endOf(port: PortRange): number {
  return startOf(port) + port.last - port.first + 1;
}

/** The ports between two borders of one protocol. */
export function portBetween(start: number, end: number): PortRange {
  const first = start % lineOfProtocol;
  return { protocol: protocolsOnLine[(start - first) / lineOfProtocol]!, first, last: first + end - start - 1 };
}

/** Binary search in the ascending list. */
export function borderIndex(borders: readonly number[], border: number): number {
  let [low, high] = [0, borders.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (borders[middle]! < border) low = middle + 1;
    else high = middle;
  }
  return low;
}
