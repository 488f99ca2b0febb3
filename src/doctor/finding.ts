/** `error`: policies do not hold as written. `warning`: they hold, and something else is wrong, or soon will be. */
export type Severity = 'error' | 'warning';

/** One thing that is wrong. */
export interface Finding {
  /** The check that found it. */
  readonly check: string;
  readonly severity: Severity;
  /** What it is about: `node`, `pod shop/web`, `table ip filter`, `bridge cni0`. */
  readonly subject: string;
  readonly problem: string;
  /** What follows from it, for policies first. */
  readonly effect: string;
  /** Whose policies do not hold as written, or whose traffic is cut; empty: see `effect`. Ascending. */
  readonly pods: readonly string[];
  /** Those policies. Ascending. */
  readonly policies: readonly string[];
  readonly remedy: string;
}

/** What a check says of one thing; the rest of the finding is the check's own. */
export type Found = Pick<Finding, 'subject' | 'problem'> & Partial<Omit<Finding, 'check'>>;

/** One row of a table of checks. */
export interface Check<Facts> {
  readonly id: string;
  readonly severity: Severity;
  /** What it finds: completes "finds that …". */
  readonly finds: string;
  readonly effect: string;
  readonly remedy: string;
  readonly find: (facts: Facts) => readonly Found[];
}

/** All that the checks find: errors first, else in the order of the checks. */
export function runChecks<Facts>(checks: readonly Check<Facts>[], facts: Facts): Finding[] {
  const findings = checks.flatMap(({ id, severity, effect, remedy, find }) =>
    find(facts).map((found) => ({ check: id, severity, effect, remedy, pods: [], policies: [], ...found })),
  );
  return sortBySeverity(findings);
}

export function sortBySeverity<Kind extends Pick<Finding, 'severity'>>(findings: readonly Kind[]): Kind[] {
  const rank = ({ severity }: Kind): number => (severity === 'error' ? 0 : 1);
  return findings.toSorted((a, b) => rank(a) - rank(b));
}
