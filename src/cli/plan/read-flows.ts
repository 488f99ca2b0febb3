import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../config/config-error.ts';
import type { NodeFlows, SeenFlow } from '../../impact/seen-flow.ts';
import { isJsonObject } from '../../lib/json.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { canonicalAddress, familyOf } from '../../model/address.ts';

const protocols: readonly unknown[] = ['TCP', 'UDP', 'SCTP', 'ICMP'];

/** Reads the output of `postern node flows -o json`. Rejects with a ConfigError that names the field. */
export async function readFlowsFile(path: string): Promise<NodeFlows> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(`--flows: ${(cause as Error).message}`, { cause });
  });
  return parseFlows(text, path);
}

function parseFlows(text: string, from: string): NodeFlows {
  let raw: unknown;
  try {
    raw = parsePrintable(text);
  } catch {
    return failing(from)('the file', 'is not JSON');
  }
  return readFlows(raw, from);
}

function failing(from: string): Fail {
  return (field, why) => {
    throw new ConfigError(`${from}: ${field}: ${why} (expected the output of "postern node flows -o json")`);
  };
}

/**
 * Throws a ConfigError that names the field.
 * @param from Name of the source in messages.
 */
export function readFlows(raw: unknown, from: string): NodeFlows {
  const fail = failing(from);
  if (!isJsonObject(raw)) return fail('the file', 'is not a JSON object');
  const { node, addresses = [], flows } = raw;
  if (node !== undefined && typeof node !== 'string') return fail('node', 'expected a name');
  if (!Array.isArray(addresses)) return fail('addresses', 'expected a list');
  if (!Array.isArray(flows)) return fail('flows', 'expected a list');
  return {
    ...(node !== undefined && { node }),
    addresses: addresses.map((each, index) => readAddress(each, `addresses[${index}]`, fail)),
    flows: flows.map((each, index) => readFlow(each, `flows[${index}]`, fail)),
  };
}

type Fail = (field: string, why: string) => never;

function readFlow(raw: unknown, path: string, fail: Fail): SeenFlow {
  if (!isJsonObject(raw)) return fail(path, 'expected fields');
  const { protocol, destinationPort, via } = raw;
  if (!protocols.includes(protocol)) return fail(`${path}.protocol`, `expected one of ${protocols.join(', ')}`);
  const source = readAddress(raw['source'], `${path}.source`, fail);
  const destination = readAddress(raw['destination'], `${path}.destination`, fail);
  if (familyOf(source) !== familyOf(destination))
    return fail(`${path}.destination`, 'has another address family than source');
  const hasPort = protocol !== 'ICMP';
  const isPort =
    Number.isInteger(destinationPort) && (destinationPort as number) > 0 && (destinationPort as number) < 65_536;
  if (hasPort && !isPort) return fail(`${path}.destinationPort`, 'expected a port');
  const connections = readCount(raw['connections'] ?? 1, `${path}.connections`, fail);
  return {
    family: familyOf(source),
    protocol: protocol as SeenFlow['protocol'],
    source,
    destination,
    ...(hasPort && { destinationPort: destinationPort as number }),
    ...(typeof via === 'string' && { via }),
    connections,
    open: readCount(raw['open'] ?? connections, `${path}.open`, fail),
  };
}

function readAddress(raw: unknown, path: string, fail: Fail): string {
  return (
    (typeof raw === 'string' ? canonicalAddress(raw) : undefined) ??
    fail(path, `${JSON.stringify(raw)} is not an address`)
  );
}

function readCount(raw: unknown, path: string, fail: Fail): number {
  return Number.isInteger(raw) && (raw as number) >= 0 ? (raw as number) : fail(path, 'expected a number');
}
