import type { Flow, PortProtocol } from './decision.ts';
import type { Party, Pod } from './party.ts';
import { missOfBroken, readFields, reportBroken, show } from './reading.ts';
import type { Broken, Miss, Report } from './reading.ts';

/** One entry of `ports`. */
export type Port =
  | { readonly kind: 'all'; readonly path: string; readonly protocol: PortProtocol }
  | {
      readonly kind: 'range';
      readonly path: string;
      readonly protocol: PortProtocol;
      readonly first: number;
      readonly last: number;
    }
  | { readonly kind: 'named'; readonly path: string; readonly protocol: PortProtocol; readonly name: string }
  | Broken;

const protocolNumbers: Readonly<Record<PortProtocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const portProtocols = Object.keys(protocolNumbers) as PortProtocol[];

/** A missing protocol means TCP (S4.1). Returns `undefined` for other names than TCP, UDP and SCTP. */
export function readProtocol(raw: unknown): PortProtocol | undefined {
  return raw === undefined || raw === null ? 'TCP' : portProtocols.find((protocol) => protocol === raw);
}

export function isPortNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

export function readPort(raw: unknown, path: string, report: Report): Port {
  const element = readFields(raw, ['protocol', 'port', 'endPort'], path, report, 'invalid-port');
  if (element.kind === 'broken') return element;
  const protocol = readProtocol(element.fields['protocol']);
  if (!protocol) {
    const found = show(element.fields['protocol']);
    return reportBroken(report, 'invalid-protocol', `${path}.protocol`, `${found} is none of TCP, UDP, SCTP`);
  }
  const port = element.fields['port'] ?? undefined;
  const endPort = element.fields['endPort'] ?? undefined;
  const invalid = (field: string, message: string): Broken =>
    reportBroken(report, 'invalid-port', `${path}.${field}`, message);
  if (port === undefined) {
    return endPort === undefined ? { kind: 'all', path, protocol } : invalid('endPort', 'endPort without port');
  }
  if (typeof port === 'string' && port !== '') {
    if (endPort !== undefined) return invalid('endPort', 'endPort with a named port');
    return { kind: 'named', path: `${path}.port`, protocol, name: port };
  }
  if (!isPortNumber(port)) return invalid('port', `${show(port)} is no port`);
  if (endPort !== undefined && !(isPortNumber(endPort) && endPort >= port)) {
    return invalid('endPort', `${show(endPort)} is no end of a range that starts at ${port}`);
  }
  return { kind: 'range', path: `${path}.port`, protocol, first: port, last: endPort ?? port };
}

/** `undefined` if the entry matches. The destination pod resolves named ports, in both directions (S4.6). */
export function missOfPort(entry: Port, flow: Flow, destination: Party): Miss | undefined {
  if (entry.kind === 'broken') return missOfBroken(entry);
  const protocol = protocolOf(flow);
  const port = flow.destinationPort;
  if (protocol === undefined || port === undefined) {
    return { distance: 2, path: entry.path, text: `${describeTraffic(flow)} matches only rules without ports` };
  }
  if (protocol !== entry.protocol) {
    const distance = describesPort(entry, port) ? 1 : 3;
    return { distance, path: protocolPath(entry), text: `the protocol is ${protocol}, not ${entry.protocol}` };
  }
  switch (entry.kind) {
    case 'all':
      return undefined;
    case 'range': {
      if (entry.first <= port && port <= entry.last) return undefined;
      return { distance: 0, path: entry.path, text: `the port is ${port}, not ${describePort(entry)}` };
    }
    case 'named':
      return missOfName(entry, port, destination);
  }
}

/** `TCP/80`, `ICMP`, `protocol 47` */
function describeTraffic(flow: Flow): string {
  const protocol = protocolOf(flow) ?? flow.protocol;
  const name = typeof protocol === 'number' ? `protocol ${protocol}` : protocol;
  return flow.destinationPort === undefined ? name : `${name}/${flow.destinationPort}`;
}

/** `80`, `8000–8010`, `http`, `any` */
export function describePort(entry: Exclude<Port, Broken>): string {
  if (entry.kind === 'all') return 'any';
  if (entry.kind === 'named') return entry.name;
  return entry.first === entry.last ? `${entry.first}` : `${entry.first}–${entry.last}`;
}

/** `http (TCP/80), dns (UDP/53)`, without duplicates. */
export function describeNamedPorts({ namedPorts }: Pick<Pod, 'namedPorts'>): string {
  return [...new Set(namedPorts.map(({ name, protocol, port }) => `${name} (${protocol}/${port})`))].join(', ');
}

function protocolOf(flow: Flow): PortProtocol | undefined {
  return portProtocols.find((each) => each === flow.protocol || protocolNumbers[each] === flow.protocol);
}

function missOfName(entry: Extract<Port, { kind: 'named' }>, port: number, destination: Party): Miss | undefined {
  const { name, path, protocol } = entry;
  const { pod } = destination;
  if (destination.isUnknown) {
    const text = `${name} is a port name, and ${destination.name} may declare it with another number or not at all`;
    return { distance: 2, path, text };
  }
  if (!pod) {
    return {
      distance: 2,
      path,
      text: `${name} is a port name, which only pods declare, and ${destination.name} is not a pod`,
    };
  }
  const numbers = pod.namedPorts.filter((each) => each.name === name && each.protocol === protocol);
  if (numbers.some((each) => each.port === port)) return undefined;
  if (numbers.length > 0) {
    const declared = [...new Set(numbers.map((each) => each.port))].join(' and ');
    return { distance: 0, path, text: `the port is ${port}, and ${name} is ${declared} on ${pod.key}` };
  }
  const rest = pod.namedPorts.length > 0 ? `it declares ${describeNamedPorts(pod)}` : 'it has no named ports';
  return { distance: 1, path, text: `${pod.key} declares no ${protocol} port named ${name}; ${rest}` };
}

function describesPort(entry: Exclude<Port, Broken>, port: number): boolean {
  return entry.kind === 'all' || (entry.kind === 'range' && entry.first <= port && port <= entry.last);
}

function protocolPath(entry: Exclude<Port, Broken>): string {
  return `${entry.path.replace(/\.port$/, '')}.protocol`;
}
