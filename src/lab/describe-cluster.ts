import type { Lab } from './lab.ts';
import { nodeNameOf } from './pod-spec.ts';

/** Sockets and logs of the agents, as text. */
export function describeAgents({ agents }: Lab): string {
  const rows = [...agents].map(([node, { socket }]) => `    ${node}  ${socket}\n`);
  return `  state of an agent: curl --unix-socket SOCKET 'http://agent/readyz?verbose'\n${rows.join('')}  logs of the agents, with denials: agent.log beside each socket\n`;
}

/** Nodes with their pods, outside hosts and policies, as text. */
export async function describeCluster(lab: Lab): Promise<string> {
  const stations = new Map(lab.stations().map((station) => [station.key, station.addresses.join(' ')]));
  const pods = Map.groupBy(await lab.list('pods'), nodeNameOf);
  const rows: [string, string][] = lab.plan.nodes.flatMap(({ name, addresses }): [string, string][] => [
    [`node ${name}`, addresses.join(' ')],
    ...(pods.get(name) ?? []).map(({ metadata }): [string, string] => {
      const key = `${metadata.namespace}/${metadata.name}`;
      return [`  ${key}`, stations.get(key) ?? ''];
    }),
  ]);
  const hosts = [...stations].filter(([key]) => key.startsWith('host/'));
  if (hosts.length > 0) rows.push(['outside', ''], ...hosts.map(([key, text]): [string, string] => [`  ${key}`, text]));
  const width = Math.max(...rows.map(([name]) => name.length));
  const ofCluster = (await lab.list('clusternetworkpolicies')).map(
    ({ metadata }) => `ClusterNetworkPolicy ${metadata.name}`,
  );
  const ofNamespaces = (await lab.list('networkpolicies')).map(
    ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  );
  const policies = [...ofCluster, ...ofNamespaces];
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`.trimEnd());
  return [...lines, `  policies: ${policies.join(', ') || 'none'}`, ''].join('\n');
}
