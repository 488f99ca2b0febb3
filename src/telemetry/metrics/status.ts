import { Counter, Gauge, type Registry } from 'prom-client';

/** Metrics of the status of ClusterNetworkPolicies. */
export interface StatusMetrics {
  wrote(object: 'report' | 'lease' | 'status', result: 'written' | 'conflict' | 'gone' | 'refused' | 'failed'): void;
  elected(isElected: boolean): void;
}

export function createStatusMetrics(registry: Registry): StatusMetrics {
  const writes = new Counter({
    name: 'postern_status_writes_total',
    help: 'Writes for the status of ClusterNetworkPolicies: the report of this node, the Lease of the elected agent, or a status. A series of failures counts once.',
    labelNames: ['object', 'result'],
    registers: [registry],
  });
  const elected = new Gauge({
    name: 'postern_status_elected',
    help: 'Whether this agent is the one that writes the status of ClusterNetworkPolicies: 1 or 0.',
    registers: [registry],
  });
  elected.set(0);
  return {
    wrote: (object, result) => writes.inc({ object, result }),
    elected: (isElected) => elected.set(Number(isElected)),
  };
}
