import { Command, Option } from 'commander';
import type { AuditPage, AuditRow } from '../../agent/audits/audit-tally.ts';
import { ConfigError } from '../../config/config-error.ts';
import { enforceAudits, type Cluster } from '../../evaluator/cluster.ts';
import { attribute } from '../../evaluator/denial.ts';
import type { Pod } from '../../evaluator/party.ts';
import type { Policy } from '../../evaluator/policy.ts';
import { PolicyIndex } from '../../evaluator/policy-index.ts';
import { keyOf } from '../../impact/object-key.ts';
import { listAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { familyOf } from '../../model/address.ts';
import { leftOutTexts } from '../../model/node-policies.ts';
import { directions, modeAnnotation } from '../../model/policy.ts';
import { readAuditPage } from '../../agent/audits/read-page.ts';
import { renderRow, type RowReason } from '../audit/render.ts';
import { askNodes, unexpected } from '../connect/agents.ts';
import { agentNamespaceOption, requireAgents } from '../connect/find-agents.ts';
import { exitCode } from '../exit-code.ts';
import { checkNamespace } from '../flows/read-traffic.ts';
import { readLiveObjects, toSource } from '../explain/cluster-source.ts';

/** A row of one node, with what the policies say about it now. */
interface Line extends AuditRow, RowReason {
  readonly node: string;
}

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly agentNamespace?: string;
  readonly minAge?: string;
  readonly since?: string;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
A NetworkPolicy with the annotation ${modeAnnotation}: audit is not enforced. The kernel of each node looks up every new connection of the pods that it
selects, and records what the policy would deny. All policies in audit that select a pod count together, as if all of them were enforced. A pod that an
enforced policy isolates already has no audit in that direction: a further policy could only allow more.

Without POLICY, the command lists all policies in audit. It runs \`pods/exec\` in the agents with your rights. An agent keeps the rows
of the one before, and says that it counts since its own start. With --min-age, the list is incomplete until each agent has counted for so long, and until the
policy, and each that counts together with it, has been in audit as it is for so long, as far as managedFields tell. Nodes that have gone are not listed. With
--since, connections and gaps that were last seen earlier do not count, as after a mended policy.

Examples:
  $ kubectl annotate networkpolicy -n shop web ${modeAnnotation}=audit
  $ postern audit shop/web                     what it would deny, and the rules that nearly allow it
  $ postern audit -n shop                      all policies in audit of a namespace
  $ postern audit shop/web -o json | jq -r '[.from, .to, .port, .connections] | @tsv'
  $ postern audit shop/web --min-age 24h && kubectl annotate networkpolicy -n shop web ${modeAnnotation}-      enforce it after a day without a denial

Exit codes: 0 nothing would be denied, 1 something would be, 2 a node did not answer, or its list is incomplete or too young, or wrong usage.`;

/** `postern audit`. Sets `process.exitCode`. */
export function auditCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  return new Command('audit')
    .description('Lists the connections that policies in audit would deny, and why.')
    .argument('[policy...]', 'NAMESPACE/NAME, or NAME with --namespace')
    .option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('-n, --namespace <name>', 'only policies of this namespace')
    .addOption(agentNamespaceOption())
    .option('--since <time>', 'only connections that were seen in this time, as 30m, 24h or 7d')
    .option('--min-age <time>', 'call a list incomplete that covers less time, as 30m, 24h or 7d')
    .addOption(
      new Option('-o, --output <format>', 'text, or one JSON object per line')
        .choices(['text', 'json'])
        .default('text'),
    )
    .addHelpText('after', details)
    .action((policies: string[], flags: Flags) => tellAudits(policies, flags, streams));
}

async function tellAudits(names: readonly string[], flags: Flags, { out, notes }: Streams): Promise<void> {
  const { kubeconfig, context, namespace, agentNamespace, minAge, since, output } = flags;
  const leastMs = minAge === undefined ? 0 : readTime('--min-age', minAge);
  const sinceMs = since === undefined ? Infinity : readTime('--since', since);
  const { config, objects } = await readLiveObjects(kubeconfig, context);
  const { cluster } = toSource(objects, new Map(), []);
  checkNamespace(objects, namespace);
  const wanted = choosePolicies(cluster, names, namespace);
  if (wanted.length === 0) {
    const where = namespace === undefined ? '' : ` of namespace ${namespace}`;
    notes.write(`no policy${where} is in audit: kubectl annotate networkpolicy NAME ${modeAnnotation}=audit\n`);
    process.exitCode = exitCode.fine;
    return;
  }
  const asked = await askNodes(config, objects, { words: ['audit'], read: readPage, agentNamespace });
  requireAgents(asked.found);
  const enforced = enforceAudits(cluster);
  const answers = asked.answers.map(({ node, answer }) => ({ node, answer: onlySince(answer, sinceMs) }));
  const concerned = concernedBy(wanted);
  const lines = answers
    .flatMap(({ node, answer }) =>
      answer.rows.filter(concerned).map((row): Line => ({ node, ...row, ...reasonOf(row, enforced) })),
    )
    .sort((a, b) => b.last - a.last);
  const together = togetherWith(wanted, cluster);
  if (output === 'json') for (const line of lines) out.write(`${JSON.stringify(line)}\n`);
  else {
    for (const policy of wanted) out.write(describePolicy(policy, together.get(policy)!, cluster, lines));
    for (const { node, ...line } of lines) out.write(renderRow(line, line, node));
  }
  const refs = new Set(wanted.flatMap((policy) => [policy.ref, ...together.get(policy)!.others]));
  // The clock of this machine may be wrong. That of nodes is the one that counts the age of their lists.
  const now = Math.min(...(answers.length === 0 ? [Date.now()] : answers.map(({ answer }) => nowOf(answer))));
  const gaps = findYoung(objects, refs, leastMs, now);
  const [youngest] = answers.toSorted((a, b) => ageOf(a.answer) - ageOf(b.answer));
  if (youngest) notes.write(describeAge(youngest, answers.length));
  for (const { node, answer } of answers) {
    const age = ageOf(answer);
    if (age < leastMs) gaps.push(`node ${node} counts for ${describeTime(age)} only, and --min-age is ${minAge}`);
    for (const why of gapsOf(answer, wanted, refs)) gaps.push(`node ${node} ${why}`);
  }
  for (const gap of gaps) notes.write(`note: incomplete: ${gap}\n`);
  for (const { node, why } of asked.failures) notes.write(`note: node ${node} did not answer: ${why}\n`);
  if (asked.failures.length + gaps.length > 0) process.exitCode = exitCode.usage;
  else process.exitCode = lines.some(({ wouldDeny }) => wouldDeny) ? exitCode.finding : exitCode.fine;
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds. Throws a ConfigError. */
function readTime(flag: string, text: string): number {
  const [, number = '', unit] = /^([1-9][0-9]{0,3})([mhd])$/.exec(text) ?? [];
  if (unit === undefined) throw new ConfigError(`${flag}: ${JSON.stringify(text)} is not a time like 30m, 24h or 7d`);
  return Number(number) * units[unit as keyof typeof units];
}

/** In the largest unit that fits twice: `90 minutes`, `36 hours`. */
function describeTime(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / units.m));
  if (minutes < 120) return plural(minutes, 'minute');
  return minutes < 48 * 60 ? plural(Math.floor(minutes / 60), 'hour') : plural(Math.floor(minutes / 1440), 'day');
}

/** The clock of the node counts: this machine may have another time. */
function nowOf({ now }: AuditPage): number {
  return now ?? Date.now();
}

function ageOf(answer: AuditPage): number {
  return nowOf(answer) - answer.since;
}

function describeAge({ node, answer }: { node: string; answer: AuditPage }, nodes: number): string {
  const age = `${new Date(answer.since).toISOString()}, for ${describeTime(ageOf(answer))}`;
  const others = nodes === 1 ? '' : `; ${plural(nodes - 1, 'other node')} for as long or longer`;
  return `node ${node} counts since ${age}${others}\n`;
}

/** The policies of these names that came into audit, or changed, after that time. */
function findYoung(objects: readonly JsonObject[], refs: ReadonlySet<string>, leastMs: number, now: number): string[] {
  return objects.flatMap((object) => {
    const isWanted = object['kind'] === 'NetworkPolicy' && refs.has(keyOf(object).replace(/^NetworkPolicy /, ''));
    const since = isWanted ? unchangedSince(object) : undefined;
    if (since === undefined || now - since >= leastMs) return [];
    return [`${keyOf(object)} may be in audit as it is for ${describeTime(now - since)} only`];
  });
}

/** When the annotation and the spec were written last, or later: the API server notes the time of the last change of each writer. Missing if it notes none. */
function unchangedSince(object: JsonObject): number | undefined {
  const entries = listAt(object, 'metadata', 'managedFields').flatMap((entry) => {
    const time = Date.parse(textAt(entry, 'time') ?? '');
    return Number.isNaN(time) ? [] : [{ time, fields: objectAt(entry, 'fieldsV1') }];
  });
  const setsMode = (fields: JsonObject): boolean =>
    `f:${modeAnnotation}` in objectAt(fields, 'f:metadata', 'f:annotations');
  const times = entries.filter(({ fields }) => setsMode(fields) || 'f:spec' in fields).map(({ time }) => time);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Throws a ConfigError if one of the names is no policy in audit. */
function choosePolicies(
  { audited, policies }: Cluster,
  names: readonly string[],
  namespace?: string,
): readonly Policy[] {
  if (names.length === 0) return audited.filter((policy) => namespace === undefined || policy.namespace === namespace);
  return names.map((name) => {
    const ref = name.includes('/') ? name : namespace === undefined ? undefined : `${namespace}/${name}`;
    if (ref === undefined) throw new ConfigError(`${name}: say NAMESPACE/NAME, or add --namespace`);
    const found = audited.find((policy) => policy.ref === ref);
    if (found) return found;
    const isEnforced = policies.all.some((policy) => policy.ref === ref && policy.tier === 'NetworkPolicy');
    if (!isEnforced) throw new ConfigError(`NetworkPolicy ${ref} does not exist`);
    throw new ConfigError(`NetworkPolicy ${ref} is not in audit: add the annotation ${modeAnnotation}=audit`);
  });
}

function readPage(answer: unknown): AuditPage {
  const page = readAuditPage(answer);
  if (!page) throw new Error(unexpected);
  return page;
}

/** Leaves out rows and gaps that were last seen earlier. */
function onlySince(answer: AuditPage, sinceMs: number): AuditPage {
  const now = nowOf(answer);
  const isLater = ({ last }: { readonly last: number }): boolean => now - last <= sinceMs;
  const { rows, unlisted, unrecorded } = answer;
  return {
    ...answer,
    rows: rows.filter(isLater),
    unlisted: unlisted.filter(isLater),
    unrecorded: unrecorded.filter(isLater),
  };
}

/** Whether a row concerns one of the policies. */
function concernedBy(wanted: readonly Policy[]): (row: AuditRow) => boolean {
  const refs = new Set(wanted.map(({ ref }) => ref));
  return (row) =>
    row.policies.some((ref) => refs.has(ref)) ||
    (row.morePolicies !== undefined && wanted.some((policy) => concerns(row, policy)));
}

/** A row that does not name all policies may be of each policy of its namespace. */
function concerns({ direction, from, to, policies, morePolicies = 0 }: AuditRow, policy: Policy): boolean {
  if (policies.includes(policy.ref)) return true;
  const pod = direction === 'egress' ? from : to;
  return morePolicies > 0 && policy.isolates.has(direction) && pod.startsWith(`${policy.namespace}/`);
}

/** The record keeps its verdict unless policies judge the same two ends now: after a rollout, an address has another owner or none. */
function reasonOf(
  { from, to, direction, source, destination, protocol, port }: AuditRow,
  enforced: Cluster,
): RowReason {
  const family = familyOf(source);
  const now = attribute(enforced, {
    ...{ direction, family, source, destination, protocol },
    ...(port !== undefined && { port }),
  });
  const [moved] = [
    { address: source, recorded: from, current: now.from },
    { address: destination, recorded: to, current: now.to },
  ].filter((each) => each.recorded !== each.current);
  if (moved) {
    const owner = moved.current === moved.address ? 'no pod or node' : moved.current;
    const reason = `this is the recorded verdict: the address ${moved.address} belonged to ${moved.recorded}, and now belongs to ${owner}`;
    return { wouldDeny: true, reason, nearMisses: [] };
  }
  const { verdict, judged, reason, nearMisses } = now.end;
  if (!judged) return { wouldDeny: true, reason: `this is the recorded verdict: ${reason} now`, nearMisses: [] };
  return { wouldDeny: verdict === 'denied', reason, nearMisses };
}

/** What is missing in the list of a node, for each reason. */
function gapsOf(
  { unlisted, unrecorded, leftOut }: AuditPage,
  wanted: readonly Policy[],
  refs: ReadonlySet<string>,
): string[] {
  const namespaces = new Set(wanted.map(({ namespace }) => namespace));
  const noRoom = unlisted
    .filter(({ namespace }) => namespaces.has(namespace))
    .reduce((sum, { connections }) => sum + connections, 0);
  const gaps = noRoom === 0 ? [] : [`had no room for ${plural(noRoom, 'more connection')}: scans of ports?`];
  for (const direction of directions) {
    if (!wanted.some(({ isolates }) => isolates.has(direction))) continue;
    const packets = unrecorded
      .filter((each) => each.direction === direction && (!each.namespace || namespaces.has(each.namespace)))
      .reduce((sum, each) => sum + each.packets, 0);
    if (packets > 0)
      gaps.push(
        `could not record ${plural(packets, 'packet')} of ${direction}: there were too many, or it could not read them within a minute`,
      );
  }
  for (const id of [...refs].sort()) {
    const why = leftOut[id];
    if (why)
      gaps.push(
        `does not audit the pods of ${id}: it leaves out the rules of this policy, because ${leftOutTexts[why]}`,
      );
  }
  return gaps;
}

/** The pods that a policy selects, and the other policies in audit that select one of them. */
interface Together {
  readonly pods: readonly Pod[];
  readonly others: readonly string[];
}

function togetherWith(wanted: readonly Policy[], cluster: Cluster): ReadonlyMap<Policy, Together> {
  const audits = new PolicyIndex(cluster.audited, cluster.namespaceLabels);
  const podsOf = new Map(wanted.map(({ ref }) => [ref, [] as Pod[]]));
  const refsOf = new Map(wanted.map(({ ref }) => [ref, new Set<string>()]));
  // Pods of one workload have the same policies, which may be thousands.
  const seen = new Set<string>();
  for (const pod of cluster.pods.values()) {
    if (pod.hostNetwork || pod.terminal) continue;
    const refs = audits.selecting([pod]).map((each) => each.ref);
    for (const ref of refs) podsOf.get(ref)?.push(pod);
    if (seen.has(refs.join(' '))) continue;
    seen.add(refs.join(' '));
    for (const ref of refs) for (const each of refs) refsOf.get(ref)?.add(each);
  }
  return new Map(
    wanted.map((policy) => {
      const others = [...refsOf.get(policy.ref)!].filter((ref) => ref !== policy.ref);
      return [policy, { pods: podsOf.get(policy.ref)!, others: others.sort() }];
    }),
  );
}

/** How many pods it selects, which others count with it, and where it would change nothing. */
function describePolicy(policy: Policy, { pods, others }: Together, cluster: Cluster, lines: readonly Line[]): string {
  const { ref, isolates } = policy;
  const own = lines.filter((row) => row.wouldDeny && concerns(row, policy));
  const connections = own.reduce((sum, each) => sum + each.connections, 0);
  const notes = directions.flatMap((direction) => {
    if (!isolates.has(direction)) return [];
    const done = pods.filter((pod) => cluster.policies.selecting([pod]).some((each) => each.isolates.has(direction)));
    return done.length === 0
      ? []
      : [
          `  ${direction} of ${plural(done.length, 'pod')}: isolated by enforced policies already, so it denies nothing more there\n`,
        ];
  });
  const shared = others.length === 0 ? '' : `  counted together with ${others.join(', ')}\n`;
  return `${ref} is in audit: selects ${plural(pods.length, 'pod')}, would deny ${plural(connections, 'connection')} on ${plural(own.length, 'path')}\n${shared}${notes.join('')}`;
}
