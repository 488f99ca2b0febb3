import { renderNotes } from '../notes.ts';
import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { EndNames, findWorkloads, type Workload } from '../../flows/workloads.ts';
import { closestName } from '../../lib/closest-name.ts';
import { suggest } from '../../suggest/suggest.ts';
import { exitCode } from '../exit-code.ts';
import { checkNamespace, readTraffic, withTrafficOptions, type TrafficFlags } from '../flows/read-traffic.ts';
import { findCoverage } from '../flows/coverage.ts';
import { describeSuggestions, renderSuggestions } from '../flows/render-suggestions.ts';

interface Flags extends TrafficFlags {
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly includeDenied?: true;
  readonly includeUnanswered?: true;
  readonly file?: string;
  readonly output: 'yaml' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
WORKLOAD: deployment/web, or web. Without it, all workloads of the namespace.

For each workload, the command prints a NetworkPolicy that allows what the agents have seen, and DNS, and nothing else. It selects pods by labels that
their owner has set, and namespaces by name. Eight addresses or more of one /24 (IPv6: /64) outside become that block; blocks are never wider. What
policies denied, and what was not answered, is listed in comments; UDP that a workload sends is allowed without an answer. DNS servers allow port 53
from everywhere. A workload of which nothing was answered gets no policy, and a note. The evaluator replays each policy alone, and all of them together.
Notes and the head of the file name nodes that did not answer, and agents that have kept less than you asked for. An hour may not show everything: read a policy, and try it with "postern plan -f", before you apply it. The command writes nothing to the cluster.

Examples:
  $ postern suggest -n shop > shop.yaml
  $ postern suggest -n shop deployment/web --since 10m
  $ postern suggest -n shop -f shop.yaml && postern plan -f shop.yaml
  $ postern suggest --lab -A                      in a lab of "postern lab up"

Exit codes: 0 success; 1 a replay denied a flow, which is a bug; 2 a node did not answer, or wrong usage.`;

/** `postern suggest`. Sets `process.exitCode`. */
export function suggestCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const command = new Command('suggest')
    .description('Suggests the smallest policies that allow what was seen in the last hour.')
    .argument('[workload]', 'deployment/web, or web')
    .option('-n, --namespace <name>', 'namespace of the workloads', 'default')
    .addOption(new Option('-A, --all-namespaces', 'workloads of all namespaces').conflicts('namespace'));
  return withTrafficOptions(command)
    .option('--include-denied', 'also allow what policies denied')
    .option(
      '--include-unanswered',
      'also allow TCP and SCTP that was never established, and UDP into a workload that was not answered',
    )
    .option('-f, --file <FILE>', 'write to a file, which must not exist yet')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .addHelpText('after', details)
    .action((workload: string | undefined, flags: Flags) => suggestPolicies(workload, flags, streams));
}

async function suggestPolicies(asked: string | undefined, flags: Flags, { out, notes }: Streams): Promise<void> {
  if (flags.file === '-') throw new ConfigError('-f names a file to write; without it, the output is standard output');
  const namespace = flags.allNamespaces ? undefined : (flags.namespace ?? 'default');
  const seen = await readTraffic({ ...flags, ...(namespace !== undefined && { namespace }) });
  if (!seen.shows) checkNamespace(seen.objects, namespace);
  const workloads = findWorkloads(seen.objects);
  const isWanted = (workload: Workload): boolean =>
    (namespace === undefined || workload.namespace === namespace) && (asked === undefined || isNamed(workload, asked));
  if (!workloads.some(isWanted)) throw new ConfigError(missing(workloads, namespace, asked));
  const { includeDenied = false, includeUnanswered = false } = flags;
  const { minutes, warnings: short } = findCoverage(seen);
  const warnings = [...(seen.notes ?? []), ...short];
  const whole = seen.histories.filter(({ failing }) => failing === undefined);
  const answeredNodes = new Set(whole.map(({ node }) => node));
  const shows = seen.shows && { shows: seen.shows };
  const choice = { isWanted, includeDenied, includeUnanswered, minutes, answeredNodes, ...shows };
  const found = suggest(seen.objects, seen.traffic, choice);
  const context = { names: new EndNames(workloads), minutes, nodes: seen.histories.length, warnings };
  const text =
    flags.output === 'yaml'
      ? renderSuggestions(found, context)
      : `${JSON.stringify(describeSuggestions(found, context), undefined, 2)}\n`;
  if (flags.file === undefined) out.write(text);
  else await writeNew(flags.file, text);
  const own = found.suggestions.flatMap((each) =>
    each.notes.map((note) => `${each.namespace}: ${each.workloads.join(', ')}: ${note}`),
  );
  notes.write(renderNotes([...warnings, ...found.notes, ...own]));
  const isWrong = found.suggestions.some(({ replay }) => replay.denied.length > 0);
  process.exitCode = isWrong ? exitCode.finding : seen.failures.length > 0 ? exitCode.usage : exitCode.fine;
}

function isNamed({ name }: Workload, asked: string): boolean {
  return name === asked || name.replace(/^[^/]*\//, '') === asked;
}

function missing(workloads: readonly Workload[], namespace: string | undefined, asked: string | undefined): string {
  const there = workloads.filter((each) => namespace === undefined || each.namespace === namespace);
  const where = namespace === undefined ? 'in the cluster' : `in namespace ${namespace}`;
  if (asked === undefined || there.length === 0)
    return `no workload runs ${where}${namespace === undefined ? '' : ': name another namespace with -n, or use -A'}`;
  const names = there.map(({ name }) => name);
  const near = closestName(asked, names);
  const hint = near === undefined ? `known: ${names.slice(0, 8).join(', ')}` : `did you mean ${near}?`;
  return `workload ${JSON.stringify(asked)} does not run ${where}; ${hint}`;
}

/** A file that exists may be the only copy of what somebody wrote. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? `${file} exists: name another file, or delete it` : message;
    throw new ConfigError(`--file: ${why}`, { cause });
  }
}
