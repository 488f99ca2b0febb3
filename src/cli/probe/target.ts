import { ConfigError } from '../../config/config-error.ts';
import { resolveEndpoint } from '../../evaluator/evaluator.ts';
import { isJsonObject, listAt, numberAt, textAt } from '../../lib/json.ts';
import { familyOf, formatAddress, parseAddress } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { socketProtocols } from '../connect/attempt.ts';
import type { SocketProtocol } from '../connect/attempt.ts';
import type { Destinations } from '../connect/attempts.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { commonFamilies, findEnd } from '../explain/end-argument.ts';
import type { End } from '../explain/end-argument.ts';
import { readPortArgument } from '../explain/port-argument.ts';
import type { Traffic } from '../explain/port-argument.ts';
import { readServiceForm } from '../explain/service-argument.ts';

/** TO and PORT, resolved. */
export interface Target extends Destinations {
  /** For output. */
  readonly name: string;
  readonly notes: readonly string[];
}

interface Question {
  readonly source: ClusterSource;
  readonly from: End;
  readonly to: string;
  readonly port: string;
  readonly family: Family | undefined;
}

/** Reads TO and PORT. Throws a ConfigError if the destination does not exist or the protocol is not supported. */
export function findTarget(question: Question): Target {
  const { source, from, to, port, family } = question;
  const service = readServiceForm(to);
  if (service) return atService(question, service.namespace, service.name);
  const endpoint = { address: to };
  if (isHostName(source, to)) {
    return { name: to, hosts: [to], notes: [], ...tryable(readPortArgument(port, source.cluster, endpoint, 'ipv4')) };
  }
  const end = findEnd(source, to);
  const asked = commonFamilies(from, end, family);
  const traffic = readPortArgument(port, source.cluster, end.endpoints.get(asked[0]!)!, asked[0]!);
  const hosts = asked.flatMap((each) => {
    const party = resolveEndpoint(source.cluster, end.endpoints.get(each)!, each);
    return typeof party === 'string' ? [] : [formatAddress(each, party.address.value)];
  });
  return { name: end.name, hosts, notes: end.notes, ...tryable(traffic) };
}

/** A text that is no address and has no slash is a DNS name, unless it is the name of a pod or node without its prefix. */
function isHostName({ cluster }: ClusterSource, text: string): boolean {
  if (parseAddress(text) || !/^[a-z0-9]([a-z0-9._-]*[a-z0-9.])?$/i.test(text)) return false;
  const isName = cluster.nodes.has(text) || [...cluster.pods.keys()].some((key) => key.endsWith(`/${text}`));
  return text.includes('.') || !isName;
}

function atService({ source, from, port, family }: Question, namespace: string, name: string): Target {
  const services = source.objects.filter((object) => object['kind'] === 'Service');
  const service = services.find(
    (each) => textAt(each, 'metadata', 'namespace') === namespace && textAt(each, 'metadata', 'name') === name,
  );
  const title = `Service ${namespace}/${name}`;
  if (!service) {
    const names = services.map(
      (each) => `${textAt(each, 'metadata', 'namespace')}/${textAt(each, 'metadata', 'name')}`,
    );
    const others = names.length === 0 ? '; there are none' : `; known: ${names.slice(0, 8).join(', ')}`;
    throw new ConfigError(`${title} does not exist${others}`);
  }
  const addresses = listAt(service, 'spec', 'clusterIPs').filter(
    (each): each is string => typeof each === 'string' && parseAddress(each) !== undefined,
  );
  if (addresses.length === 0) {
    throw new ConfigError(
      `${title} has no cluster IP (it is headless, or an ExternalName): probe its DNS name or its pods`,
    );
  }
  const hosts = addresses.filter(
    (each) => from.endpoints.has(familyOf(each)) && (family ?? familyOf(each)) === familyOf(each),
  );
  if (hosts.length === 0) {
    const has = [...from.endpoints.keys()].join(' and ');
    throw new ConfigError(
      `${title} has ${addresses.join(' and ')}, but ${from.name} has ${has}${family ? `, and --family is ${family}` : ''}`,
    );
  }
  return { name: title, hosts, notes: [], ...tryable(portOfService(service, title, port)) };
}

function portOfService(service: unknown, title: string, text: string): Traffic {
  const ports = listAt(service, 'spec', 'ports').filter(isJsonObject);
  const declared = ports.map((each) => ({
    name: textAt(each, 'name'),
    protocol: textAt(each, 'protocol') ?? 'TCP',
    port: numberAt(each, 'port'),
  }));
  const [, protocol, port] = /^(?:([a-zA-Z]+)\/)?([^/:]+)$/.exec(text) ?? [];
  const isNumber = /^[0-9]+$/.test(port ?? '');
  const wanted = protocol?.toUpperCase() ?? (isNumber ? 'TCP' : undefined);
  const found = declared.find(
    (each) =>
      (isNumber ? each.port === Number(port) : each.name === port) && (wanted ?? each.protocol) === each.protocol,
  );
  if (found) return { protocol: found.protocol as SocketProtocol, destinationPort: found.port! };
  const has = declared.map((each) => `${each.protocol}/${each.port}${each.name ? ` (${each.name})` : ''}`).join(', ');
  throw new ConfigError(
    `${title} has no port ${text}; it has ${has || 'none'}. PORT is the port of the Service, not of its pods`,
  );
}

function tryable({ protocol, destinationPort }: Traffic): { protocol: SocketProtocol; port: number } {
  const known = socketProtocols.find((each) => each === protocol);
  if (known && destinationPort !== undefined) return { protocol: known, port: destinationPort };
  throw new ConfigError(
    `a probe supports TCP and UDP only, not ${protocol}. Use "postern explain", or "postern lab probe --port" in a lab`,
  );
}
