import { compareText } from '../lib/sort.ts';
import type { Denial, ProbeResult } from './reachability.ts';

/**
 * The matrix as text: a row is a source, a column a target, and a cell has one mark for each port of the target. Families with equal
 * results share one matrix.
 */
export function renderMatrix(results: readonly ProbeResult[]): string {
  const names = [...new Set(results.flatMap(({ from, to }) => [from, to]))];
  const ports = new Map([...Map.groupBy(results, ({ to }) => to)].map(([to, group]) => [to, portsOf(group)]));
  const byFamily = [...Map.groupBy(results, ({ family }) => family)];
  const tables = agree(results)
    ? [renderTable(byFamily.map(([family]) => family).join(' and '), names, ports, results)]
    : byFamily.map(([family, group]) => renderTable(family, names, ports, group));
  return [renderColumns(names, ports), ...tables, renderLegend(results)].join('\n');
}

/** One line for each unexpected result; empty if there is none. */
export function renderDifferences(results: readonly ProbeResult[]): string {
  const lines = results
    .filter(differs)
    .map(
      ({ from, to, port, family, observed, expected }) =>
        `  ${from} -> ${to} ${port} ${family}: ${observed}, but the policies say ${expected}\n`,
    );
  return lines.length === 0 ? '' : `NOT WHAT THE POLICIES SAY (${lines.length}):\n${lines.join('')}`;
}

/** Reasons of denials. Groups all flows with the same reason. */
export function renderDenials(denials: readonly Denial[]): string {
  if (denials.length === 0) return 'Nothing is denied.\n';
  const lines = ['Denied, because'];
  for (const [reason, group] of Map.groupBy(denials, (denial) => denial.reason)) {
    lines.push(`  ${reason}`);
    for (const [hint, peers] of Map.groupBy(hintsByPeer(group), (each) => each.hint)) {
      for (const [ports, same] of Map.groupBy(peers, (each) => each.ports)) {
        lines.push(`    ${same[0]!.preposition} ${same.map(({ peer }) => peer).join(', ')}: ${ports}`);
      }
      if (hint !== '') lines.push(hint);
    }
  }
  return `${lines.join('\n')}\n`;
}

function differs({ observed, expected }: ProbeResult): boolean {
  return observed !== expected;
}

function portsOf(results: readonly ProbeResult[]): string[] {
  return [...new Set(results.map(({ port }) => port))];
}

/** Whether every probe has the same result in both families. */
function agree(results: readonly ProbeResult[]): boolean {
  const marks = Map.groupBy(results, ({ from, to, port }) => `${from} ${to} ${port}`);
  return [...marks.values()].every((group) => new Set(group.map(markOf)).size === 1);
}

function renderColumns(names: readonly string[], ports: ReadonlyMap<string, readonly string[]>): string {
  const width = widest(names);
  const lines = names.flatMap((name, index) => {
    const own = ports.get(name);
    return own ? [`  ${label(index, names)} ${name.padEnd(width)}  ${own.join(' ')}\n`] : [];
  });
  return `Rows connect to columns. Columns, with the marks of a cell from left to right:\n${lines.join('')}`;
}

function renderTable(
  title: string,
  names: readonly string[],
  ports: ReadonlyMap<string, readonly string[]>,
  results: readonly ProbeResult[],
): string {
  const marks = new Map(results.map((result) => [`${result.from} ${result.to} ${result.port}`, markOf(result)]));
  const columns = names.flatMap((name, index) => (ports.has(name) ? [{ name, number: label(index, names) }] : []));
  const sources = new Set(results.map(({ from }) => from));
  const row = (head: string, cell: (column: { name: string; number: string }) => string): string =>
    `  ${head}${columns.map((column) => `  ${cell(column).padEnd(Math.max(ports.get(column.name)!.length, 2))}`).join('')}`.trimEnd();
  const lines = [row(title.padEnd(widest(names) + label(0, names).length + 1), ({ number }) => number.trim())];
  for (const [index, from] of names.entries()) {
    if (!sources.has(from)) continue;
    const head = `${label(index, names)} ${from.padEnd(widest(names))}`;
    lines.push(
      row(head, ({ name }) =>
        ports
          .get(name)!
          .map((port) => marks.get(`${from} ${name} ${port}`) ?? ' ')
          .join(''),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

function renderLegend(results: readonly ProbeResult[]): string {
  const ending = results.some(differs)
    ? '! passed, expected denied   ? denied, expected allowed'
    : 'all as the policies say';
  return `. allowed   X denied   ${ending}\n`;
}

function markOf(result: ProbeResult): string {
  const passed = result.observed === 'allowed';
  if (differs(result)) return passed ? '!' : '?';
  return passed ? '.' : 'X';
}

function label(index: number, names: readonly string[]): string {
  return String(index + 1).padStart(String(names.length).length);
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

interface PeerHint {
  readonly preposition: 'to' | 'from';
  readonly peer: string;
  readonly ports: string;
  /** Lines, indented. */
  readonly hint: string;
}

/** Merges the families of one connection, with one line for each different hint. */
function hintsByPeer(denials: readonly Denial[]): PeerHint[] {
  const byFlow = Map.groupBy(denials, ({ direction, from, to, port }) => `${direction} ${from} ${to} ${port}`);
  const flows = [...byFlow.values()].map((group) => ({
    ...group[0]!,
    hint: [...new Set(group.flatMap(({ hint = '' }) => (hint === '' ? [] : [`      ${hint}`])))].join('\n'),
  }));
  const byPeer = Map.groupBy(flows, ({ direction, from, to, hint }) =>
    [direction, direction === 'egress' ? to : from, hint].join('\n'),
  );
  return [...byPeer.values()].map((group) => {
    const { direction, from, to, hint } = group[0]!;
    const ports = [...new Set(group.map(({ port }) => port))].toSorted(compareText).join(', ');
    const isEgress = direction === 'egress';
    return { preposition: isEgress ? 'to' : 'from', peer: isEgress ? to : from, ports, hint };
  });
}
