import type { EndNames } from '../../flows/workloads.ts';
import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';
import type { Judged, Seen, WhyNot } from '../../suggest/needs.ts';
import type { Suggestion, Suggestions } from '../../suggest/suggest.ts';
import { describePort } from './render.ts';
import { toYaml } from './yaml.ts';

interface Context {
  readonly names: EndNames;
  readonly minutes: number;
  readonly nodes: number;
  /** What the agents cannot have seen. */
  readonly warnings?: readonly string[];
}

/** Lines about what a suggestion does not allow, at most. */
const mostLines = 10;

const reasons: Readonly<Record<WhyNot, string>> = {
  denied: 'denied by a policy (--include-denied allows it)',
  unanswered: 'never answered (--include-unanswered allows it)',
  'no-ports': 'a NetworkPolicy cannot allow ICMP without all ports',
  'other-ports': 'more ports than an agent keeps apart',
  'other-ends': 'an end that no rule can name',
  gone: 'its pods have gone and had no labels: a rule would allow all pods of the namespace',
  'of-the-cluster': 'its address is now inside the cluster',
};

/** Policies as YAML, each with comments: where it comes from, what its replay said, and what it leaves out. */
export function renderSuggestions({ suggestions }: Suggestions, context: Context): string {
  const heading = `# Suggested from connections of the last ${plural(context.minutes, 'minute')} on ${plural(context.nodes, 'node')}.\n`;
  const warnings = (context.warnings ?? []).map((each) => `# WARNING: ${printable(each)}\n`).join('');
  return heading + warnings + suggestions.map((each) => renderSuggestion(each, context)).join('');
}

function renderSuggestion(suggestion: Suggestion, { names }: Context): string {
  const { policy, namespace, workloads, allowed, leftOut, replay, notes } = suggestion;
  const connections = allowed.reduce((sum, { seen }) => sum + countOf(seen), 0);
  const { denied } = replay;
  const verdict =
    denied.length === 0 ? '0 denied' : `${denied.length} DENIED: do not apply this policy, and report a bug`;
  // What was answered comes first: the policy would cut it.
  const ordered = [...leftOut].sort(
    (a, b) => Number(b.seen.allowed !== undefined) - Number(a.seen.allowed !== undefined),
  );
  const left = ordered.map(({ seen, whyNot }) => `${describe(seen, names)}: ${reasons[whyNot!]}`);
  const rest = left.length > mostLines ? [`and ${left.length - mostLines} more`] : [];
  const lines = [
    `${namespace}: ${workloads.join(', ')}`,
    `replay: ${plural(replay.flows, 'flow')} (DNS included), ${plural(connections, 'connection')} seen, ${verdict}`,
    ...notes,
    ...(left.length > 0 ? ['not allowed:'] : []),
    ...[...left.slice(0, mostLines), ...rest].map((line) => `- ${line}`),
  ];
  return `---\n${lines.map((line) => `# ${printable(line)}\n`).join('')}${toYaml(policy)}`;
}

/** For machines. */
export function describeSuggestions(
  { suggestions, notes }: Suggestions,
  { names, minutes, nodes, warnings = [] }: Context,
): object {
  const toFlow = ({ direction, seen, whyNot }: Pick<Judged, 'direction' | 'seen' | 'whyNot'>): object => {
    const { from, to, protocol, port, ...counts } = seen;
    const ends = { from: names.nameOf(from), to: names.nameOf(to) };
    return { direction, ...ends, protocol, ...(port !== undefined && { port }), ...counts, ...(whyNot && { whyNot }) };
  };
  return {
    minutes,
    nodes,
    warnings,
    notes,
    suggestions: suggestions.map(({ policy, namespace, workloads, allowed, leftOut, replay, notes: own }) => ({
      policy,
      namespace,
      workloads,
      notes: own,
      replay: { flows: replay.flows, denied: replay.denied.map(toFlow) },
      allowed: allowed.map(toFlow),
      leftOut: leftOut.map(toFlow),
    })),
  };
}

function describe(seen: Seen, names: EndNames): string {
  const count = countOf(seen);
  const counted = count === 0 ? 'open' : plural(count, 'connection');
  return `${names.nameOf(seen.from)} → ${names.nameOf(seen.to)} ${describePort(seen.protocol, seen.port)} (${counted})`;
}

function countOf({ allowed = 0, unanswered = 0, denied = 0 }: Seen): number {
  return allowed + unanswered + denied;
}
