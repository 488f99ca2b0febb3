import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { createPodNft } from '../../agent/pod-networks/pod-kernel.ts';
import { openNetworkNamespace } from '../../apply/network-namespace.ts';
import { createNft, type Nft } from '../../apply/nft.ts';
import { believeDenials, denialObjects, readDenials, type RecordedDenial } from '../../compile/denials.ts';
import { readNodeName } from '../../config/node-name.ts';
import { readPodNetworks } from '../../config/pod-networks.ts';
import { messageOf } from '../../lib/message-of.ts';
import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';
import { listPodNamespaces, type PodNamespace } from '../../sandboxes/pod-namespaces.ts';
import { families } from '../../model/address.ts';
import { routedTable } from '../../nftables/ruleset.ts';
import { describeMissingTable } from './no-table.ts';

const details = `
The kernel records denied connections for one minute: at most 4096 per direction and family, and 100 packets per second. Needs root and the node's
network: on a cluster, run it in an agent pod. With POSTERN_POD_NETWORKS=true, it also reads the rules inside of pods. \`postern denials\` adds names
and reasons.

Examples:
  $ postern node denials
  $ kubectl -n postern-system exec POD -- postern node denials -o json

Exit codes: 0 success, 2 the kernel's tables cannot be read.`;

/** What `postern node denials -o json` prints. */
export interface NodeDenials {
  readonly node: string;
  readonly denials: readonly RecordedDenial[];
}

/** For all pods together: a pod with NET_ADMIN can make its tables slow to list, and `postern denials` waits for a minute. */
const longestInsideMs = 30_000;

interface Flags {
  readonly nodeName?: string;
  readonly output: 'text' | 'json';
}

export function denialsCommand(): Command {
  return new Command('denials')
    .description('Prints the connections that the kernel of this node has denied in the last minute.')
    .option('--node-name <NAME>', 'name of the Node object (default: POSTERN_NODE_NAME, else the host name)')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async ({ nodeName, output }: Flags) => {
      const denials = await readOwnDenials();
      const found: NodeDenials = { node: readNodeName(nodeName) ?? hostname(), denials };
      if (output === 'json') process.stdout.write(`${JSON.stringify(found)}\n`);
      else process.stdout.write(denials.length === 0 ? await explainNone() : denials.map(renderDenial).join(''));
    });
}

/** Newest first. */
async function readOwnDenials(): Promise<RecordedDenial[]> {
  const directory = readPodNetworks();
  const inside = directory === undefined ? [] : await listPodNamespaces(directory);
  const found = await readWith(createNft(), new AbortController().signal);
  const note = (text: string): void => void process.stderr.write(`note: ${text}\n`);
  found.push(...(await readInside(inside, note, AbortSignal.timeout(longestInsideMs))));
  return found.sort((a, b) => a.secondsAgo - b.secondsAgo);
}

async function readWith(nft: Nft, signal: AbortSignal): Promise<RecordedDenial[]> {
  const lists = await Promise.all(denialObjects.map(({ table, set }) => nft.listSet(table, set, signal)));
  return lists.flatMap((json) => (json === undefined ? [] : readDenials(json)));
}

/**
 * Reads what was denied inside of pods, one after the other. A pod that ends meanwhile has none. One that cannot be read hides no other and is noted, and so are those that
 * are left when the signal aborts. Never rejects.
 */
export async function readInside(
  pods: readonly PodNamespace[],
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<RecordedDenial[]> {
  const found: RecordedDenial[] = [];
  for (const each of pods) {
    try {
      signal.throwIfAborted();
      found.push(...(await readPod(each, signal)));
    } catch (error) {
      note(printable(`cannot read what was denied inside of pod ${each.pod}: ${messageOf(error)}`));
    }
  }
  return found;
}

/** Rejects if the path is no network namespace, or with an NftError. */
async function readPod({ path, addresses }: PodNamespace, signal: AbortSignal): Promise<RecordedDenial[]> {
  if (!existsSync(path)) return [];
  const namespace = openNetworkNamespace(path);
  try {
    return believeDenials(await readWith(createPodNft(namespace.enter), signal), new Set(addresses));
  } finally {
    namespace.close();
  }
}

async function explainNone(): Promise<string> {
  const nft = createNft();
  const { signal } = new AbortController();
  const tables = await Promise.all(families.map((family) => nft.listTerse(routedTable[family], signal)));
  const missing = families.filter((_, index) => tables[index] === undefined);
  if (missing.length > 0) return missing.map((family) => `${describeMissingTable(family)}\n`).join('');
  return 'no connection was denied in the last minute\n';
}

function renderDenial({ direction, source, destination, protocol, port, packets, secondsAgo }: RecordedDenial): string {
  const traffic = port === undefined ? `protocol ${protocol}` : `${protocol.toUpperCase()}/${port}`;
  return `${direction}: ${source} → ${destination} ${traffic}: ${plural(packets, 'packet')}, first ${secondsAgo} s ago\n`;
}
