import { Command, Option } from 'commander';
import type { FlowEnd } from '../../flows/kept-flow.ts';
import type { Traffic } from '../../flows/traffic.ts';
import { EndNames, findWorkloads } from '../../flows/workloads.ts';
import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';
import { exitCode } from '../exit-code.ts';
import { findCoverage } from '../flows/coverage.ts';
import {
  checkNamespace,
  readTraffic,
  withTrafficOptions,
  type SeenCluster,
  type TrafficFlags,
} from '../flows/read-traffic.ts';
import { renderTraffic } from '../flows/render.ts';
import { toYaml } from '../flows/yaml.ts';

interface Flags extends TrafficFlags {
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly output: 'text' | 'json' | 'yaml';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
Each agent keeps, for an hour and in memory, who talks to whom: workload or outside address, protocol, port and verdict. "allowed" connections were
answered, "unanswered" ones were not, and "denied" ones met a policy. The command asks the agents through \`pods/exec\` with your rights, and names the
pods that you may list. Ports and addresses beyond those that an agent keeps apart are "others".

Examples:
  $ postern flows                                who talked to whom in the last hour
  $ postern flows -n shop --since 10m            with a pod of one namespace at an end
  $ postern flows -o json | jq '.flows[] | select(.verdict == "denied")'
  $ postern flows --lab                          in a lab of "postern lab up"

Exit codes: 0 all nodes answered, 2 a node did not answer, or wrong usage.`;

/** `postern flows`. Sets `process.exitCode`. */
export function flowsCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const command = new Command('flows')
    .description('Shows who talked to whom in the last hour, by workload.')
    .option('-n, --namespace <name>', 'only connections with a pod of this namespace')
    .addOption(new Option('-A, --all-namespaces', 'connections of all namespaces (default)').conflicts('namespace'));
  return withTrafficOptions(command)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json', 'yaml']).default('text'))
    .addHelpText('after', details)
    .action((flags: Flags) => showFlows(flags, streams));
}

async function showFlows(flags: Flags, { out, notes }: Streams): Promise<void> {
  const seen = await readTraffic(flags);
  const { namespace, output } = flags;
  if (!seen.shows) checkNamespace(seen.objects, namespace);
  const names = new EndNames(findWorkloads(seen.objects));
  const wanted = seen.traffic.filter(
    ({ from, to }) => namespace === undefined || [from, to].some((end) => isIn(end, namespace)),
  );
  if (output === 'text') {
    const now = Math.max(0, ...seen.histories.map((each) => each.now));
    out.write(renderTraffic(wanted, names, now) || renderNone(seen, namespace));
  } else {
    const answer = describe(seen, wanted, names);
    out.write(output === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : toYaml(answer));
  }
  for (const each of [...(seen.notes ?? []), ...findCoverage(seen).warnings]) notes.write(`note: ${printable(each)}\n`);
  process.exitCode = seen.failures.length > 0 ? exitCode.usage : exitCode.fine;
}

function isIn(end: FlowEnd, namespace: string): boolean {
  return (
    (end.kind === 'workload' && end.namespace === namespace) || (end.kind === 'namespace' && end.name === namespace)
  );
}

function renderNone(seen: SeenCluster, namespace: string | undefined): string {
  if (seen.histories.length === 0) return '';
  const { minutes } = findCoverage(seen);
  const where = namespace === undefined ? '' : ` with a pod of namespace ${namespace}`;
  return `no connection${where} was seen in the last ${plural(minutes, 'minute')}\n`;
}

/** For machines. */
function describe({ histories, failures, minutes }: SeenCluster, traffic: readonly Traffic[], names: EndNames): object {
  return {
    minutes,
    nodes: histories.map(({ node, since, look }) => ({ node, since: timeOf(since), ...(look && { look }) })),
    failures,
    flows: traffic.map(({ from, to, first, last, minutes: counts, ...rest }) => ({
      from: { name: names.nameOf(from), ...from },
      to: { name: names.nameOf(to), ...to },
      ...rest,
      first: timeOf(first),
      last: timeOf(last),
      counts: counts.map(([minute, connections]) => ({ minute: timeOf(minute), connections })),
    })),
  };
}

function timeOf(minute: number): string {
  return new Date(minute * 60_000).toISOString();
}
