import { canonicalAddress, familyOf } from '../model/address.ts';
import type { SeenFlow } from './seen-flow.ts';

const protocols: Readonly<Record<string, SeenFlow['protocol']>> = {
  tcp: 'TCP',
  udp: 'UDP',
  sctp: 'SCTP',
  icmp: 'ICMP',
  icmpv6: 'ICMP',
};

/** States of connections that have ended; the kernel keeps their entries for a while. */
const ended: ReadonlySet<string> = new Set(['TIME_WAIT', 'CLOSE', 'CLOSED', 'LAST_ACK', 'SHUTDOWN_ACK_SENT']);

export interface Tracked {
  readonly flows: readonly SeenFlow[];
  /** Number of entries of other protocols, which are skipped. */
  readonly otherProtocols: number;
  /** Number of lines that are not entries. */
  readonly unreadable: number;
}

/**
 * Reads the format of /proc/net/nf_conntrack and of `conntrack -L -o extended`:
 *
 *     ipv4 2 tcp 6 431999 ESTABLISHED src=A dst=B sport=1 dport=2 src=C dst=D sport=3 dport=4 [ASSURED] mark=0 use=2
 *
 * The first tuple is the original direction, the second the reply: C and 3 are the destination after DNAT.
 */
export function readConntrack(text: string): Tracked {
  const flows = new Map<string, { -readonly [Key in keyof SeenFlow]: SeenFlow[Key] }>();
  let [otherProtocols, unreadable] = [0, 0];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const entry = readEntry(line);
    if (entry === 'unreadable') unreadable++;
    else if (entry === 'other-protocol') otherProtocols++;
    else {
      const key = [entry.protocol, entry.source, entry.destination, entry.destinationPort, entry.via].join(' ');
      const known = flows.get(key);
      if (known) {
        known.connections++;
        known.open += entry.open;
      } else flows.set(key, { ...entry });
    }
  }
  return { flows: [...flows.values()], otherProtocols, unreadable };
}

function readEntry(line: string): SeenFlow | 'other-protocol' | 'unreadable' {
  const words = line.trim().split(/\s+/);
  const start = words.findIndex((word) => word.startsWith('src='));
  if (start < 3) return 'unreadable';
  const protocol = protocols[words[2]!];
  if (protocol === undefined) return 'other-protocol';
  // Counters, zones and marks may follow each tuple; the second `src` starts the reply tuple.
  const tuples: Record<string, string>[] = [];
  for (const word of words.slice(start)) {
    const [key, value] = word.split('=') as [string, string?];
    if (key === 'src') tuples.push({});
    if (value !== undefined) tuples.at(-1)![key] ??= value;
  }
  const [original, reply] = tuples;
  const source = canonicalAddress(original?.['src'] ?? '');
  const called = canonicalAddress(original?.['dst'] ?? '');
  const destination = canonicalAddress(reply?.['src'] ?? '');
  if (source === undefined || called === undefined || destination === undefined) return 'unreadable';
  const port = readPort(reply?.['sport']);
  const calledPort = readPort(original?.['dport']);
  const hasPorts = protocol !== 'ICMP';
  if (hasPorts && (port === undefined || calledPort === undefined)) return 'unreadable';
  const isOther = called !== destination || (hasPorts && port !== calledPort);
  const host = called.includes(':') ? `[${called}]` : called;
  return {
    family: familyOf(source),
    protocol,
    source,
    destination,
    ...(hasPorts && { destinationPort: port! }),
    ...(isOther && { via: hasPorts ? `${host}:${calledPort}` : called }),
    connections: 1,
    open: words.slice(3, start).some((word) => ended.has(word)) ? 0 : 1,
  };
}

function readPort(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,5}$/.test(text) ? Number(text) : undefined;
}
