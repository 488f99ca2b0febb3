import { Gauge, type Registry } from 'prom-client';

export interface IssueCount {
  readonly code: string;
  readonly effect: string;
  readonly count: number;
}

/** What is wrong with the objects of the cluster as they are now. */
export interface IssueMetrics {
  /** All of them: what is left out is no longer an issue. */
  issues(counts: Iterable<IssueCount>): void;
  refusedPolicies(count: number): void;
}

export function createIssueMetrics(registry: Registry): IssueMetrics {
  const registers = [registry];
  const issues = new Gauge({
    name: 'postern_issues',
    help: 'Fields of objects that cannot be understood or enforced as written, by what is done about them.',
    labelNames: ['code', 'effect'],
    registers,
  });
  const refused = new Gauge({
    name: 'postern_refused_policies',
    help: 'Policies that the kernel would not take, or not in time: their pods are isolated without their allows.',
    registers,
  });
  return {
    issues(counts) {
      issues.reset();
      for (const { code, effect, count } of counts) issues.inc({ code, effect }, count);
    },
    refusedPolicies: (count) => refused.set(count),
  };
}
