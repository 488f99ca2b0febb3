import { Gauge, type Registry } from 'prom-client';
import type { CheckResult } from '../checks.ts';

/** Whether this node enforces what the cluster says. */
export interface ReadinessMetrics {
  /** Asked at each scrape: what `/readyz` goes by. */
  checks(read: () => readonly CheckResult[]): void;
}

export function createReadinessMetrics(registry: Registry): ReadinessMetrics {
  let read = (): readonly CheckResult[] => [];
  new Gauge({
    name: 'postern_check_ok',
    help: 'Checks of `/readyz`: 1, or 0 for one that fails; as long as one does, this node does not enforce all that the cluster says.',
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
