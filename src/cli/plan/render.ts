import type { ObjectChange } from '../../impact/changes.ts';
import type { FlowChange } from '../../impact/flows.ts';
import type { Impact } from '../../impact/impact.ts';
import type { IsolationChange } from '../../impact/isolation.ts';
import type { PairChange, PairEnd } from '../../impact/pairs.ts';
import type { Reason } from '../../impact/reason.ts';
import { printable } from '../../lib/printable.ts';
import { plural } from '../../lib/plural.ts';
import { effectText } from '../../model/effect-text.ts';
import { formatTraffic } from '../explain/port-argument.ts';

/** Limit of lists in text output; `-o json` has all entries. */
const most = 20;

/** Renders the objects, the isolated pods, then what would be cut and what would open, with reasons. */
export function renderPlan(changes: readonly ObjectChange[], impact: Impact): string {
  const sections = [
    renderChanges(changes, impact),
    ...renderIsolation(impact.isolation),
    ...(impact.flows ? renderFlows(impact.flows) : []),
    ...(impact.pairs ? renderPairs(impact.pairs) : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

function renderChanges(changes: readonly ObjectChange[], { issues }: Impact): string {
  const lines = changes.flatMap(({ object, change, message }) => {
    const wrong = change === 'deleted' ? [] : (issues.get(object) ?? []);
    const state = change === 'refused' ? 'not valid' : wrong.length > 0 ? `${change}, not valid` : change;
    return [
      `  ${object}: ${state}${message === undefined ? '' : `: ${message}`}`,
      ...wrong.map((issue) => `    ${issue.path}: ${issue.message}; ${effectText(object, issue.effect)}`),
    ];
  });
  return lines.length === 0 ? 'No given object affects policies' : `Objects\n${lines.map(printable).join('\n')}`;
}

function renderIsolation(all: readonly IsolationChange[]): string[] {
  return [true, false].flatMap((isolated) => {
    const changes = all.filter((each) => each.isolated === isolated);
    if (changes.length === 0) return [];
    const byCause = Map.groupBy(changes, ({ direction, by }) => `${direction} by ${by.join(', ')}`);
    const lines = [...byCause].map(([cause, of]) => `  ${listNames(of.map(({ pod }) => pod))}: ${cause}`);
    const pods = new Set(changes.map(({ pod }) => pod)).size;
    const title = isolated
      ? plural(pods, 'pod becomes isolated', 'pods become isolated')
      : plural(pods, 'pod is no longer isolated', 'pods are no longer isolated');
    return [`${title}\n${capped(lines, 'more such groups').join('\n')}`];
  });
}

function renderFlows({ seen, cut, opened }: NonNullable<Impact['flows']>): string[] {
  const render = (changes: readonly FlowChange[]): string =>
    capped(
      changes.map((each) => {
        const via = each.via.length === 0 ? '' : ` via ${listNames(each.via)}`;
        const connections = plural(each.connections, 'connection');
        const head = `  ${each.source} → ${each.destination} ${formatTraffic(each)}${via} (${each.families.join(', ')}): ${connections}, ${each.open} open`;
        return `${head}\n${renderReasons(each.reasons)}`;
      }),
      'more flows',
    ).join('\n');
  const total = cut.reduce((sum, { connections }) => sum + connections, 0);
  const sections =
    cut.length === 0
      ? [`Would be cut: none of ${plural(seen, 'flow')} seen`]
      : [`Would be cut: ${plural(cut.length, 'flow')} of ${seen} seen, ${plural(total, 'connection')}\n${render(cut)}`];
  if (opened.length > 0) {
    sections.push(`Would open: ${plural(opened.length, 'flow')} seen\n${render(opened)}`);
  }
  return sections;
}

function renderPairs({ cut, opened }: NonNullable<Impact['pairs']>): string[] {
  const render = (changes: readonly PairChange[]): string =>
    capped(joinRows(changes).map(renderRow), 'more such groups').join('\n');
  const total = (changes: readonly PairChange[]): string =>
    plural(
      changes.reduce((sum, { pairs }) => sum + pairs, 0),
      'pair of pods and port',
      'pairs of pods and ports',
    );
  const sections =
    cut.length === 0
      ? ['Would be cut: no pair of pods on their declared ports']
      : [`Would be cut: ${total(cut)}\n${render(cut)}`];
  if (opened.length > 0) sections.push(`Would open: ${total(opened)}\n${render(opened)}`);
  return sections;
}

/** Pairs with the same ports, families and reasons. */
interface Row {
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly ports: readonly string[];
  readonly families: string;
  readonly reasons: string;
}

/** Merges the ports of one pair, then the sources of one destination, then the destinations. */
function joinRows(changes: readonly PairChange[]): Row[] {
  let rows = changes.map((each): Row => ({
    sources: [renderEnd(each.source)],
    destinations: [renderEnd(each.destination)],
    ports: [each.port === undefined ? 'on no port' : `${each.protocol}/${each.port}`],
    families: each.families.join(', '),
    reasons: renderReasons(each.reasons),
  }));
  for (const field of ['ports', 'sources', 'destinations'] as const) {
    const alike = Map.groupBy(rows, (row) => JSON.stringify({ ...row, [field]: [] }));
    rows = [...alike.values()].map((group) => ({ ...group[0]!, [field]: group.flatMap((row) => row[field]) }));
  }
  return rows;
}

function renderRow({ sources, destinations, ports, families, reasons }: Row): string {
  return `  ${listNames(sources)} → ${listNames(destinations)} ${ports.join(', ')} (${families})\n${reasons}`;
}

function renderEnd({ name, members }: PairEnd): string {
  return members.length === 1 ? members[0]! : `${name} (${members.length} pods)`;
}

function renderReasons(reasons: readonly Reason[]): string {
  return reasons
    .flatMap(({ direction, reason, nearMisses }) => [
      `    ${direction}: ${reason}`,
      ...nearMisses.slice(0, 1).map((miss) => `      ${miss.reason}`),
    ])
    .map(printable)
    .join('\n');
}

function capped(lines: readonly string[], what: string): string[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), `  … and ${lines.length - most} ${what} (-o json has them all)`];
}

function listNames(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
