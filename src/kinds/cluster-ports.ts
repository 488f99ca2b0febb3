import { protocols, type GroupId, type PortMatch, type Protocol, type Selection } from '../model/policy.ts';
import type { Field } from './field.ts';
import { isPortName, isPortNumber, maxPort } from './ports.ts';

const protocolOf: Readonly<Record<string, Protocol>> = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' };
const protocolFields = Object.keys(protocolOf);
const namedField = 'destinationNamedPort';

/** The ports of `protocols` that can be read, and whether that is all of them. Without the field, a rule matches every protocol (S10.15). */
export function readProtocols(
  field: Field,
  addGroup: (selection: Selection) => GroupId,
): { readonly ports: readonly PortMatch[]; readonly isComplete: boolean } {
  if (field.absent) return { ports: [{ kind: 'any' }], isComplete: true };
  const items = field.items();
  if (!items || items.length === 0) {
    field.report('invalid-port', 'must be a list of at least one protocol');
    return { ports: [], isComplete: false };
  }
  const read = items.map((item) => readEntry(item, addGroup));
  return { ports: read.flatMap((ports) => ports ?? []), isComplete: read.every((ports) => ports !== undefined) };
}

/** `undefined` if the entry cannot be read. */
function readEntry(field: Field, addGroup: (selection: Selection) => GroupId): readonly PortMatch[] | undefined {
  const known = [...protocolFields, namedField];
  if (!field.hasOnly(known, 'invalid-protocol')) return undefined;
  const given = known.filter((name) => !field.get(name).absent);
  if (given.length !== 1) {
    field.report('invalid-protocol', `must have exactly one of ${known.join(', ')}`);
    return undefined;
  }
  const [name] = given as [string];
  if (name === namedField) return readName(field.get(name), addGroup);
  const range = readRange(field.get(name), protocolOf[name]!);
  return range && [range];
}

/** A name has no protocol: a pod may declare it with any of them. */
function readName(field: Field, addGroup: (selection: Selection) => GroupId): readonly PortMatch[] | undefined {
  const name = field.value;
  if (typeof name !== 'string' || !isPortName(name)) {
    field.report('invalid-port', 'must be a port name: at most 15 of a-z, 0-9 and -, with a letter');
    return undefined;
  }
  return protocols.map((protocol): PortMatch => {
    const declarers = addGroup({ namespaces: 'all', pods: [], declares: { name, protocol } });
    return { kind: 'named', name, protocol, declarers };
  });
}

function readRange(field: Field, protocol: Protocol): PortMatch | undefined {
  if (!field.hasOnly(['destinationPort'], 'invalid-port')) return undefined;
  const port = field.get('destinationPort');
  if (port.absent) return { kind: 'range', protocol, first: 0, last: maxPort };
  if (!port.hasOnly(['number', 'range'], 'invalid-port')) return undefined;
  const [number, range] = [port.get('number'), port.get('range')];
  if (number.absent === range.absent) return reject(port, 'must have either number or range');
  if (!number.absent) {
    if (!isPortNumber(number.value)) return reject(number, `must be a number from 1 to ${maxPort}`);
    return { kind: 'range', protocol, first: number.value, last: number.value };
  }
  if (!range.hasOnly(['start', 'end'], 'invalid-port')) return undefined;
  const [start, end] = [range.get('start'), range.get('end')];
  if (!isPortNumber(start.value)) return reject(start, `must be a number from 1 to ${maxPort}`);
  if (!isPortNumber(end.value)) return reject(end, `must be a number from 1 to ${maxPort}`);
  if (end.value < start.value) return reject(end, `must not be less than start (${start.value})`);
  return { kind: 'range', protocol, first: start.value, last: end.value };
}

function reject(field: Field, message: string): undefined {
  field.report('invalid-port', message);
}
