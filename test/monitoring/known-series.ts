import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { readQuery } from '../support/promql.ts';

/** What prom-client knows at run time, but for `name` not in its types. */
interface MetricFacts {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

/** What the scraper adds, and what stands in the query of a histogram. */
const ownLabels = ['node', 'instance', 'job'];
const suffixes: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'] };

/** Series of a scraped agent -> its labels. Those of the agent alone are the rows of docs/reference/metrics.md, which a test of the metrics holds. */
const known: ReadonlyMap<string, readonly string[]> = new Map([
  ['up', ownLabels],
  // One of the metrics that prom-client adds.
  ['process_start_time_seconds', ownLabels],
  ...(createMetrics('').registry.getMetricsAsArray() as unknown as MetricFacts[]).flatMap(
    ({ name, type, labelNames }) =>
      (suffixes[type] ?? ['']).map((suffix) => {
        const own = suffix === '_bucket' ? [...labelNames, 'le'] : labelNames;
        return [name + suffix, [...own, ...ownLabels]] as const;
      }),
  ),
]);

/** The metrics and labels of a query that no agent has. Throws where it is no PromQL. */
export function findUnknown(expression: string): string[] {
  const { selectors, grouping } = readQuery(expression);
  const all = new Set(selectors.flatMap(({ metric }) => known.get(metric) ?? []));
  return [
    ...selectors.flatMap(({ metric, labels }) => {
      const own = known.get(metric);
      return own ? labels.filter((label) => !own.includes(label)).map((label) => `${metric}{${label}}`) : [metric];
    }),
    ...grouping.filter((label) => !all.has(label)).map((label) => `by (${label})`),
  ];
}
