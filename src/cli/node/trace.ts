import { Command, Option } from 'commander';
import { hostname } from 'node:os';
import { createNft } from '../../apply/nft.ts';
import { readDenials, type RecordedDenial } from '../../compile/denials.ts';
import { firstPacket, type Connection } from '../../compile/first-packet.ts';
import { ConfigError } from '../../config/config-error.ts';
import { readNodeName } from '../../config/node-name.ts';
import { plural } from '../../lib/plural.ts';
import { canonicalAddress, familyOf, type Family } from '../../model/address.ts';
import { foreignIn } from '../../nftables/foreign.ts';
import { parseTable } from '../../nftables/parse.ts';
import { renderRule } from '../../nftables/render.ts';
import { routedTable, tableName, type Table } from '../../nftables/ruleset.ts';
import { trace, type Step } from '../../nftables/trace.ts';
import { exitCode } from '../exit-code.ts';
import { describeMissingTable } from './no-table.ts';

const details = `
Reads "table ip ${tableName}" or "table ip6 ${tableName}" from the kernel and follows the first packet of the connection through its rules. The devices of both ends
come from the sets of the table. Give addresses and port after any Service. Needs root and the node's network: on a cluster, run it in an agent pod.

Examples:
  $ postern node trace 10.244.1.7 10.244.2.9 TCP/8080
  $ kubectl -n postern-system exec POD -- postern node trace -o json 10.244.1.7 10.244.2.9 icmp

Exit codes: 0 accepted, 1 dropped, 2 the table cannot be read.`;

/** What `postern node trace -o json` prints. */
export interface NodeTrace {
  readonly node: string;
  /** False: the kernel has no table, so it enforces no policy. */
  readonly hasTable: boolean;
  readonly verdict: 'accept' | 'drop' | 'reset';
  /** Rules that gave a verdict, in the order of the packet's path. */
  readonly path: readonly { readonly chain: string; readonly rule: string; readonly element?: string }[];
  /** Of this connection, in the last minute. */
  readonly denials: readonly RecordedDenial[];
  /** Objects in the table that Postern did not write; their effect is unknown. */
  readonly foreign: readonly string[];
}

interface Flags {
  readonly hook: Connection['hook'];
  readonly nodeName?: string;
  readonly output: 'text' | 'json';
}

export function traceCommand(): Command {
  return new Command('trace')
    .description('Shows what the rules in the kernel of this node do with the first packet of a connection.')
    .argument('<source>', 'the source address')
    .argument('<destination>', 'the destination address')
    .argument('<port>', 'TCP/80, UDP/53, SCTP/7, icmp, or the number of a protocol')
    .addOption(
      new Option('--hook <hook>', 'forward: through the node; input: to its own sockets')
        .choices(['forward', 'input'])
        .default('forward'),
    )
    .option('--node-name <NAME>', 'name of the Node object (default: POSTERN_NODE_NAME, else the host name)')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (source: string, destination: string, port: string, { hook, nodeName, output }: Flags) => {
      const connection = { hook, ...readEnds(source, destination), ...readPort(port, source) };
      const family = familyOf(connection.source);
      const table = routedTable[family];
      const json = await createNft().list(table, new AbortController().signal);
      const answer = traceIn(json === undefined ? undefined : parseTable(table, json), connection);
      const denials = json === undefined ? [] : readDenials(json).filter((denial) => isOf(denial, connection));
      const found: NodeTrace = { node: readNodeName(nodeName) ?? hostname(), ...answer, denials };
      process.stdout.write(output === 'json' ? `${JSON.stringify(found)}\n` : renderTrace(found, family));
      process.exitCode = found.verdict === 'accept' ? exitCode.fine : exitCode.finding;
    });
}

function readEnds(source: string, destination: string): { source: string; destination: string } {
  const [from, to] = [source, destination].map(canonicalAddress);
  if (from === undefined) throw new ConfigError(`source: ${JSON.stringify(source)} is not an address`);
  if (to === undefined) throw new ConfigError(`destination: ${JSON.stringify(destination)} is not an address`);
  if (familyOf(from) !== familyOf(to)) throw new ConfigError(`destination: ${to} is not of the family of ${from}`);
  return { source: from, destination: to };
}

function readPort(text: string, source: string): Pick<Connection, 'protocol' | 'port'> {
  if (text.toLowerCase() === 'icmp') return { protocol: familyOf(source) === 'ipv4' ? 'icmp' : 'icmpv6' };
  if (/^[0-9]+$/.test(text) && Number(text) < 256) return { protocol: text };
  const [, protocol, port] = /^(tcp|udp|sctp)\/([0-9]+)$/i.exec(text) ?? [];
  if (protocol === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new ConfigError(
      `port ${JSON.stringify(text)}: write TCP/80, UDP/53, SCTP/7, icmp or the number of a protocol`,
    );
  }
  return { protocol: protocol.toLowerCase(), port: Number(port) };
}

/** @param table `undefined` if the kernel has no table of Postern */
export function traceIn(table: Table | undefined, connection: Connection): Omit<NodeTrace, 'node' | 'denials'> {
  if (!table) return { hasTable: false, verdict: 'accept', path: [], foreign: [] };
  const { verdict, path } = trace(table, firstPacket(table, connection));
  const say = ({ chain, rule, element }: Step): NodeTrace['path'][number] => ({
    chain,
    rule: renderRule(table.chains.get(chain)!.rules[rule]!),
    ...(element !== undefined && { element }),
  });
  return { hasTable: true, verdict, path: path.map(say), foreign: foreignIn(table) };
}

const numbers: Readonly<Record<string, string>> = { icmp: '1', icmpv6: '58' };

function isOf(denial: RecordedDenial, { source, destination, protocol, port }: Connection): boolean {
  const isSame = denial.source === source && denial.destination === destination && denial.port === port;
  return isSame && denial.protocol === (numbers[protocol] ?? protocol);
}

function renderTrace({ node, hasTable, verdict, path, denials, foreign }: NodeTrace, family: Family): string {
  const lines = path.map(
    ({ chain, rule, element }) => `  ${chain}: ${rule}${element === undefined ? '' : `  (${element})`}`,
  );
  for (const { direction, packets, secondsAgo } of denials) {
    lines.push(`  denied for ${direction} in the last minute: ${plural(packets, 'packet')}, first ${secondsAgo} s ago`);
  }
  if (!hasTable) lines.push(`  ${describeMissingTable(family)}`);
  if (foreign.length > 0) lines.push(`  skipped, because another program wrote it: ${foreign.join(', ')}`);
  return `node ${node}: ${verdict}\n${lines.map((line) => `${line}\n`).join('')}`;
}
