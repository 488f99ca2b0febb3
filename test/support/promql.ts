import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly metric: string;
  /** Labels of the matchers. */
  readonly labels: readonly string[];
}

export interface Query {
  readonly selectors: readonly Selector[];
  /** The labels of each `by (…)`. */
  readonly grouping: readonly string[];
}

/** Metrics and labels of an expression. Throws with the position if the expression is invalid. */
export function readQuery(expression: string): Query {
  const selectors: { metric: string; labels: string[] }[] = [];
  const grouping: string[] = [];
  parser.parse(expression).iterate({
    enter({ name, type, from, to, node }) {
      const text = expression.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${from}, ${JSON.stringify(text)}: ${expression}`);
      if (name === 'VectorSelector') selectors.push({ metric: '', labels: [] });
      if (name === 'Identifier') selectors.at(-1)!.metric = text;
      if (name === 'LabelName')
        (node.parent!.name === 'GroupingLabels' ? grouping : selectors.at(-1)!.labels).push(text);
    },
  });
  return { selectors, grouping };
}
