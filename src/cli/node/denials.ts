import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { createNft } from '../../apply/nft.ts';
import { denialObjects, readDenials, type RecordedDenial } from '../../compile/denials.ts';
import { readNodeName } from '../../config/node-name.ts';
import { plural } from '../../lib/plural.ts';
import { families } from '../../model/address.ts';
import { routedTable } from '../../nftables/ruleset.ts';
import { describeMissingTable } from './no-table.ts';

const details = `
What no rule of an isolated pod allows is dropped, and noted by its connection for a minute: at most 4096 in each direction and family, and 100 packets
a second. Needs root, and the node's network: on a cluster, the pod of an agent. With names and reasons: \`postern denials\`.

Examples:
  $ postern node denials
  $ kubectl -n postern-system exec POD -- postern node denials -o json

Exit codes: 0 fine, 2 the kernel cannot be asked.`;

/** What `postern node denials -o json` prints. */
export interface NodeDenials {
  readonly node: string;
  readonly denials: readonly RecordedDenial[];
}

interface Flags {
  readonly nodeName?: string;
  readonly output: 'text' | 'json';
}

export function denialsCommand(): Command {
  return new Command('denials')
    .summary('connections that its kernel has just denied')
    .description('Prints the connections that the kernel of this node has denied in the last minute.')
    .option('--node-name <NAME>', "the node's name in the cluster (default: POSTERN_NODE_NAME, else the host's name)")
    .addOption(new Option('-o, --output <form>', 'the form of the answer').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async ({ nodeName, output }: Flags) => {
      const denials = await readOwnDenials();
      const found: NodeDenials = { node: readNodeName(nodeName) ?? hostname(), denials };
      if (output === 'json') process.stdout.write(`${JSON.stringify(found)}\n`);
      else process.stdout.write(denials.length === 0 ? await explainNone() : denials.map(renderDenial).join(''));
    });
}

/** The newest first. */
async function readOwnDenials(): Promise<RecordedDenial[]> {
  const nft = createNft();
  const { signal } = new AbortController();
  const lists = await Promise.all(denialObjects.map(({ table, set }) => nft.listSet(table, set, signal)));
  const found = lists.flatMap((json) => (json === undefined ? [] : readDenials(json)));
  return found.sort((a, b) => a.secondsAgo - b.secondsAgo);
}

async function explainNone(): Promise<string> {
  const nft = createNft();
  const { signal } = new AbortController();
  const tables = await Promise.all(families.map((family) => nft.listTerse(routedTable[family], signal)));
  const missing = families.filter((_, index) => tables[index] === undefined);
  if (missing.length > 0) return missing.map((family) => `${describeMissingTable(family)}\n`).join('');
  return 'nothing was denied in the last minute\n';
}

function renderDenial({ direction, source, destination, protocol, port, packets, secondsAgo }: RecordedDenial): string {
  const traffic = port === undefined ? `protocol ${protocol}` : `${protocol.toUpperCase()}/${port}`;
  return `${direction}: ${source} → ${destination} ${traffic}: ${plural(packets, 'packet')}, the first ${secondsAgo} s ago\n`;
}
