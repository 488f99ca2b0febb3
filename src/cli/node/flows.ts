import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { readNodeName } from '../../config/node-name.ts';
import type { SeenFlow } from '../../impact/seen-flow.ts';
import { formatTraffic } from '../explain/port-argument.ts';
import { readOwnFlows } from './own-flows.ts';

const details = `
A flow is an entry of connection tracking: the source before SNAT and the destination after DNAT. Connections that differ only in the source
port count as one flow. Reads /proc/net/nf_conntrack, or runs the program conntrack if the kernel does not have that file. Needs root and the
node's network: on a cluster, run it in an agent pod.

Examples:
  $ postern node flows
  $ kubectl -n postern-system exec POD -- postern node flows -o json > n1.json
  $ postern plan -f policy.yaml --base cluster/ --flows n1.json

Exit codes: 0 success, 2 the flows cannot be read.`;

interface Flags {
  readonly nodeName?: string;
  readonly output: 'text' | 'json';
}

export function flowsCommand(): Command {
  return new Command('flows')
    .description('Prints the flows that the kernel of this node tracks.')
    .option('--node-name <NAME>', 'name of the Node object (default: POSTERN_NODE_NAME, else the host name)')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async ({ nodeName, output }: Flags) => {
      const node = readNodeName(nodeName) ?? hostname();
      const found = await readOwnFlows(node);
      if (output === 'json') process.stdout.write(`${JSON.stringify(found)}\n`);
      else {
        process.stdout.write(found.flows.map(renderFlow).join(''));
        const others = found.otherProtocols > 0 ? `, and ${found.otherProtocols} entries of other protocols` : '';
        process.stderr.write(`node ${node}: ${found.flows.length} flows from ${found.source}${others}\n`);
      }
      if (found.unreadable > 0)
        process.stderr.write(`note: ${found.unreadable} lines of ${found.source} are not readable\n`);
    });
}

function renderFlow(flow: SeenFlow): string {
  const via = flow.via === undefined ? '' : ` via ${flow.via}`;
  const count = `${flow.connections} (${flow.open} open)`;
  return `${flow.source} → ${flow.destination} ${formatTraffic(flow)}${via}: ${count}\n`;
}
