import { Counter, Gauge, type Registry } from 'prom-client';

/** Metrics of the rules in network namespaces of pods. */
export interface PodNetworkMetrics {
  /** @param read returns the numbers of pods, at each scrape */
  counts(read: () => { readonly enforced: number; readonly failing: number }): void;
  /** A program in a pod changed our tables there. */
  drift(): void;
}

export function createPodNetworkMetrics(registry: Registry): PodNetworkMetrics {
  const registers = [registry];
  let readCounts = (): Record<'enforced' | 'failing', number> => ({ enforced: 0, failing: 0 });
  new Gauge({
    name: 'postern_pod_networks',
    help: 'Pods with packets that do not cross the node, by state: enforced in their network namespace, or failing. 0 without --pod-networks.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(readCounts())) this.set({ state }, count);
    },
  });
  const drift = new Counter({
    name: 'postern_pod_network_drift_total',
    help: "How often a program in a pod changed Postern's tables in the pod's network namespace and the agent restored them.",
    registers,
  });
  return {
    counts(read) {
      readCounts = read;
    },
    drift: () => drift.inc(),
  };
}
