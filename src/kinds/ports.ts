import { protocols, type GroupId, type PortMatch, type Protocol, type Selection } from '../model/policy.ts';
import type { Field } from './field.ts';

export const maxPort = 65535;

/** One entry of `ports`; `undefined` if it matches nothing (S9.5). `addGroup` registers the group of a port name and returns its id. */
export function readPort(field: Field, addGroup: (selection: Selection) => GroupId): PortMatch | undefined {
  if (!field.hasOnly(['port', 'endPort', 'protocol'], 'invalid-port')) return undefined;
  const protocol = readProtocol(field.get('protocol'));
  if (!protocol) return undefined;
  const port = field.get('port');
  const endPort = field.get('endPort');
  if (typeof port.value === 'string') {
    if (!endPort.absent) return reject(endPort, 'needs a numeric port');
    if (!isPortName(port.value))
      return reject(port, 'must be a port name: at most 15 of a-z, 0-9 and -, with a letter');
    const declarers: Selection = { namespaces: 'all', pods: [], declares: { name: port.value, protocol } };
    return { kind: 'named', name: port.value, protocol, declarers: addGroup(declarers) };
  }
  if (port.absent) {
    if (!endPort.absent) return reject(endPort, 'needs a numeric port');
    return { kind: 'range', protocol, first: 0, last: maxPort };
  }
  if (!isPortNumber(port.value)) return reject(port, `must be a number from 1 to ${maxPort} or a port name`);
  if (endPort.absent) return { kind: 'range', protocol, first: port.value, last: port.value };
  if (!isPortNumber(endPort.value)) return reject(endPort, `must be a number from 1 to ${maxPort}`);
  if (endPort.value < port.value) return reject(endPort, `must not be less than port (${port.value})`);
  // S4.5: 1-65535 is every port.
  const first = port.value === 1 && endPort.value === maxPort ? 0 : port.value;
  return { kind: 'range', protocol, first, last: endPort.value };
}

function readProtocol(field: Field): Protocol | undefined {
  if (field.absent) return 'TCP';
  const protocol = protocols.find((each) => each === field.value);
  if (!protocol) field.report('invalid-protocol', `must be one of ${protocols.join(', ')}`);
  return protocol;
}

export function isPortNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxPort;
}

/** IANA_SVC_NAME, as the API server checks it. */
export function isPortName(name: string): boolean {
  return /^[a-z0-9-]{1,15}$/.test(name) && /[a-z]/.test(name) && !/^-|-$|--/.test(name);
}

function reject(field: Field, message: string): undefined {
  field.report('invalid-port', message);
}
