import type { Lab } from './lab.ts';
import { nodeNameOf } from './pod-spec.ts';

/** Where the agents answer, and where they log, for people. */
export function describeAgents({ agents }: Lab): string {
  const rows = [...agents].map(([node, { socket }]) => `    ${node}  ${socket}\n`);
  return `  agents answer to: curl --unix-socket SOCKET 'http://agent/readyz?verbose'\n${rows.join('')}  their logs, with what they deny: agent.log beside each socket\n`;
}

/** Who is there, for people: nodes with their pods, hosts outside, policies. */
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
  const policies = (await lab.list('networkpolicies')).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`.trimEnd());
  return [...lines, `  policies: ${policies.join(', ') || 'none'}`, ''].join('\n');
}
