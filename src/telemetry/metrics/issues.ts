import { Gauge, type Registry } from 'prom-client';

export interface IssueCount {
  readonly code: string;
  readonly effect: string;
  readonly count: number;
}

/** Current problems of API objects. */
export interface IssueMetrics {
  /** @param read returns all current issues, whenever somebody reads the metrics */
  issues(read: () => Iterable<IssueCount>): void;
  refusedPolicies(count: number): void;
}

export function createIssueMetrics(registry: Registry): IssueMetrics {
  const registers = [registry];
  let readIssues: () => Iterable<IssueCount> = () => [];
  new Gauge({
    name: 'postern_issues',
    help: 'Fields of API objects that Postern cannot understand or enforce as written, by code and effect.',
    labelNames: ['code', 'effect'],
    registers,
    collect() {
      this.reset();
      for (const { code, effect, count } of readIssues()) this.inc({ code, effect }, count);
    },
  });
  const refused = new Gauge({
    name: 'postern_refused_policies',
    help: 'Policies that the kernel refused, or did not load in time: their pods are isolated and their allow rules are missing.',
    registers,
  });
  return {
    issues(read) {
      readIssues = read;
    },
    refusedPolicies: (count) => refused.set(count),
  };
}
