import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type CniResult = 'ok' | 'late' | 'error';

/** Metrics of the CNI plugin. */
export interface CniMetrics {
  /** `seconds`: from the request to the answer. */
  answered(command: string, result: CniResult, seconds: number): void;
  refused(): void;
  /** Whether the plugin is in the node's network configuration. */
  installed(isInstalled: boolean): void;
  restored(): void;
}

export function createCniMetrics(registry: Registry): CniMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'postern_cni_requests_total',
    help: 'Calls of the CNI plugin: ok; late, and the plugin does what its failure policy says; or error.',
    labelNames: ['command', 'result'],
    registers,
  });
  const waits = new Histogram({
    name: 'postern_cni_add_seconds',
    help: 'How long the CNI plugin waited in ADD until the rules of the pod were in the kernel, or until the agent gave up.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const refused = new Counter({
    name: 'postern_cni_refused_requests_total',
    help: 'Requests on the socket of the CNI plugin that were too long, too slow or unreadable.',
    registers,
  });
  const installed = new Gauge({
    name: 'postern_cni_installed',
    help: "Whether the CNI plugin is in the node's network configuration: 1; or 0.",
    registers,
  });
  const restorations = new Counter({
    name: 'postern_cni_restorations_total',
    help: 'How often the agent has put the CNI plugin back, because another program had changed the configuration or the program.',
    registers,
  });
  return {
    answered(command, result, seconds) {
      requests.inc({ command, result });
      if (command === 'ADD') waits.observe(seconds);
    },
    refused: () => refused.inc(),
    installed: (isInstalled) => installed.set(Number(isInstalled)),
    restored: () => restorations.inc(),
  };
}
