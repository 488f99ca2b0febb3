/** `error`: the node does not enforce policies as written. `warning`: it does, but there is or will be another problem. */
export type Severity = 'error' | 'warning';

export interface Finding {
  /** The check that found it. */
  readonly check: string;
  readonly severity: Severity;
  /** `node`, `pod shop/web`, `table ip filter`, `bridge cni0` */
  readonly subject: string;
  readonly problem: string;
  /** The consequence, for policies first. */
  readonly effect: string;
  /** Pods whose policies are not enforced as written, or whose traffic is cut. If empty, see `effect`. Sorted. */
  readonly pods: readonly string[];
  /** Their policies. Sorted. */
  readonly policies: readonly string[];
  readonly remedy: string;
}

/** Result of a check for one subject. Missing fields come from the check. */
export type Found = Pick<Finding, 'subject' | 'problem'> & Partial<Omit<Finding, 'check'>>;

/** One row of a table of checks. */
export interface Check<Facts> {
  readonly id: string;
  readonly severity: Severity;
  /** Completes "finds that …". */
  readonly finds: string;
  readonly effect: string;
  readonly remedy: string;
  readonly find: (facts: Facts) => readonly Found[];
}

/** Runs the checks. Sorts errors first, then by the order of the checks. */
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
