import type { FlowEnd, FlowHistory, KeptFlow } from '../flows/kept-flow.ts';

/** What a user may see of a cluster. */
export interface Sight {
  /** Namespaces whose pods the user may list; missing: all. */
  readonly namespaces?: ReadonlySet<string>;
  /** Whether the user may list nodes. */
  readonly nodes: boolean;
}

const others: FlowEnd = { kind: 'others' };

/**
 * Agents answer for all namespaces. Keeps what concerns pods that the user may see. The other end of such a flow becomes "others" if the user may not see it: without
 * the flow, a suggestion would seem to allow all that was seen, and would cut it.
 */
export function visibleHistories(histories: readonly FlowHistory[], sight: Sight): FlowHistory[] {
  return histories.map((history) => ({ ...history, flows: history.flows.flatMap((flow) => seen(flow, sight)) }));
}

function seen(flow: KeptFlow, sight: Sight): KeptFlow[] {
  const isOwn = [flow.from, flow.to].some((end) => namespaceOf(end) !== undefined && isVisible(end, sight));
  if (sight.namespaces && !isOwn) return [];
  const [from, to] = [flow.from, flow.to].map((end) => (isVisible(end, sight) ? end : others)) as [FlowEnd, FlowEnd];
  return [{ ...flow, from, to }];
}

function isVisible(end: FlowEnd, { namespaces, nodes }: Sight): boolean {
  const namespace = namespaceOf(end);
  if (namespace !== undefined) return namespaces?.has(namespace) ?? true;
  return end.kind !== 'node' || nodes;
}

function namespaceOf(end: FlowEnd): string | undefined {
  if (end.kind === 'workload') return end.namespace;
  return end.kind === 'namespace' ? end.name : undefined;
}

/** Rows that a page has, at most. A row takes about 300 bytes. */
const mostRows = 100_000;

/**
 * The rows that fit on a page, and how many are left out. Namespaces take turns, and each gives the rows first that were seen over the longest time: a scan, which makes
 * many rows of a moment, displaces neither other namespaces nor connections that stay open.
 */
export function fittingRows(
  histories: readonly FlowHistory[],
  most = mostRows,
): { readonly histories: readonly FlowHistory[]; readonly leftOut: number } {
  const rows = histories.flatMap(({ flows }) => flows);
  if (rows.length <= most) return { histories, leftOut: 0 };
  const ranked = [...Map.groupBy(rows, chargedNamespace).values()].flatMap((ofOne) =>
    ofOne
      .map((flow) => ({ flow, minutes: flow.last - flow.first, count: countOf(flow) }))
      .sort((a, b) => b.minutes - a.minutes || b.count - a.count)
      .map(({ flow }, turn) => ({ flow, turn })),
  );
  ranked.sort((a, b) => a.turn - b.turn);
  const kept = new Set(ranked.slice(0, most).map(({ flow }) => flow));
  return {
    histories: histories.map((history) => ({ ...history, flows: history.flows.filter((flow) => kept.has(flow)) })),
    leftOut: rows.length - most,
  };
}

/** As agents charge rows: the namespace that opens the connection, or else the one that it comes to. */
function chargedNamespace({ from, to }: KeptFlow): string {
  const [opener, other] = [namespaceOf(from), namespaceOf(to)];
  return opener === undefined ? `to ${other ?? ''}` : `from ${opener}`;
}

function countOf({ minutes }: KeptFlow): number {
  return minutes.reduce((sum, [, count]) => sum + count, 0);
}
