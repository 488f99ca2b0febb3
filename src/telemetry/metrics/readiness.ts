import { Gauge, type Registry } from 'prom-client';
import type { CheckResult } from '../checks.ts';

/** Metrics of the readiness checks. */
export interface ReadinessMetrics {
  /** `read` is called at each scrape and returns the checks of `/readyz`. */
  checks(read: () => readonly CheckResult[]): void;
}

export function createReadinessMetrics(registry: Registry): ReadinessMetrics {
  let read = (): readonly CheckResult[] => [];
  new Gauge({
    name: 'postern_check_ok',
    help: 'Checks of `/readyz`: 1 if the check passes, 0 if it fails; while one fails, this node does not enforce all policies.',
    labelNames: ['check'],
    registers: [registry],
    collect() {
      for (const { name, reason } of read()) this.set({ check: name }, Number(reason === undefined));
    },
  });
  return {
    checks(each) {
      read = each;
    },
  };
}
