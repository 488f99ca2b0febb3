import type { Traffic } from '../../flows/traffic.ts';
import type { EndNames } from '../../flows/workloads.ts';

const titles = ['FROM', 'TO', 'PORT', 'VERDICT', 'CONNECTIONS', 'LAST SEEN'];

/** A table, one line for each. Empty without traffic. */
export function renderTraffic(traffic: readonly Traffic[], names: EndNames, now: number): string {
  if (traffic.length === 0) return '';
  const rows = traffic.map(({ from, to, protocol, port, verdict, connections, last }) => [
    names.nameOf(from),
    names.nameOf(to),
    describePort(protocol, port),
    verdict,
    connections === 0 ? 'open' : String(connections),
    describeAge(now - last),
  ]);
  const lines = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((text, column) => text.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `TCP/80`, `UDP/other ports`, `ICMP` */
export function describePort(protocol: string, port: Traffic['port']): string {
  if (port === undefined) return protocol;
  return `${protocol}/${port === 'other' ? 'other ports' : port}`;
}

function describeAge(minutes: number): string {
  return minutes <= 0 ? 'now' : `${minutes} min ago`;
}
