import { ConfigError } from '../../config/config-error.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import type { Endpoint, Flow, PortProtocol } from '../../evaluator/decision.ts';
import { resolveEndpoint } from '../../evaluator/evaluator.ts';
import { describeNamedPorts } from '../../evaluator/port.ts';
import type { Family } from '../../model/address.ts';

export type Traffic = Pick<Flow, 'protocol' | 'destinationPort'>;

const portProtocols: readonly PortProtocol[] = ['TCP', 'UDP', 'SCTP'];

/**
 * Reads `TCP/80`, `80`, `http`, `UDP/dns` or `icmp`. The destination pod resolves a name (S4.6).
 * Throws a ConfigError for anything else, and for an unknown or ambiguous name.
 */
export function readPortArgument(text: string, cluster: Cluster, destination: Endpoint, family: Family): Traffic {
  if (text.toUpperCase() === 'ICMP') return { protocol: 'ICMP' };
  const [, protocolText, port] = /^(?:([a-zA-Z]+)\/)?([^/:]+)$/.exec(text) ?? [];
  const protocol = portProtocols.find((each) => each === protocolText?.toUpperCase());
  if (port === undefined || (protocolText !== undefined && !protocol)) {
    throw new ConfigError(
      `port ${JSON.stringify(text)}: write TCP/80, UDP/53, SCTP/7, 80 (TCP), a port's name or icmp`,
    );
  }
  if (!/^[0-9]+$/.test(port)) return lookUpName(port, protocol, cluster, destination, family);
  const number = Number(port);
  if (number < 1 || number > 65_535) throw new ConfigError(`port ${text}: ports are 1 to 65535`);
  return { protocol: protocol ?? 'TCP', destinationPort: number };
}

/** `TCP/80`, `ICMP` */
export function formatTraffic({ protocol, destinationPort }: Traffic): string {
  return destinationPort === undefined ? `${protocol}` : `${protocol}/${destinationPort}`;
}

function lookUpName(
  name: string,
  protocol: PortProtocol | undefined,
  cluster: Cluster,
  destination: Endpoint,
  family: Family,
): Traffic {
  const party = resolveEndpoint(cluster, destination, family);
  const pod = typeof party === 'string' ? undefined : party.pod;
  if (!pod) throw new ConfigError(`${name} is a port name, which only pods declare: use a number`);
  const found = pod.namedPorts.filter((each) => each.name === name && (protocol ?? each.protocol) === each.protocol);
  const choices = [...new Set(found.map((each) => `${each.protocol}/${each.port}`))];
  if (choices.length === 1) return { protocol: found[0]!.protocol, destinationPort: found[0]!.port };
  if (choices.length > 1) throw new ConfigError(`port ${name} of ${pod.key} is ${choices.join(' and ')}: choose one`);
  const declared = describeNamedPorts(pod) || 'none';
  throw new ConfigError(`pod ${pod.key} declares no port named ${name}; it declares ${declared}`);
}
