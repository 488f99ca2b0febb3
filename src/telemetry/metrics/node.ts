import { Counter, Gauge, type Registry } from 'prom-client';

export interface NodeCounts {
  readonly sandboxes: number;
  readonly unknownSandboxes: number;
  readonly unlinkedPods: number;
  readonly gatedRanges: number;
  readonly gateClaims: number;
}

/** Metrics of the node's sandboxes, start gate and saved state. */
export interface NodeMetrics {
  /** `read` is called at each scrape. */
  counts(read: () => NodeCounts): void;
  /** Whether the agent can read libcni's cache. */
  sandboxCache(available: boolean): void;
  sandboxCacheProblem(): void;
  podFetch(result: 'found' | 'missing' | 'failed'): void;
  stateWrite(result: 'written' | 'failed'): void;
  /** Whether the kernel holds the saved state instead of the current state of the cluster. */
  restored(isRestored: boolean): void;
}

export function createNodeMetrics(registry: Registry): NodeMetrics {
  const registers = [registry];
  let read = (): NodeCounts => ({ sandboxes: 0, unknownSandboxes: 0, unlinkedPods: 0, gatedRanges: 0, gateClaims: 0 });
  const gauge = (name: string, help: string, count: keyof NodeCounts): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read()[count]);
      },
    });
  };
  const available = new Gauge({
    name: 'postern_sandbox_cache_available',
    help: "Whether the agent can read the container runtime's records of sandboxes (libcni's cache): 1; or 0, and pod addresses come from the API server only.",
    registers,
  });
  gauge('postern_sandboxes', 'Running sandboxes of pods that the container runtime has recorded.', 'sandboxes');
  gauge(
    'postern_unknown_sandboxes',
    'Running sandboxes whose pod object the agent does not know (yet): they can neither send nor receive.',
    'unknownSandboxes',
  );
  const problems = new Counter({
    name: 'postern_sandbox_cache_problems_total',
    help: "Files of libcni's cache that have the name of a pod's entry and cannot be used.",
    registers,
  });
  const fetches = new Counter({
    name: 'postern_pod_fetches_total',
    help: 'Requests to the API server for the pod of a sandbox that the watch had not reported: found, missing (no such pod) or failed (the agent retries).',
    labelNames: ['result'],
    registers,
  });
  gauge(
    'postern_gated_ranges',
    'Pod ranges of this node in which the start gate lets only pods with rules send and receive; 0 if there is no gate.',
    'gatedRanges',
  );
  gauge(
    'postern_gate_claimed_addresses',
    'Addresses of the gated ranges that pods of other nodes claim: a forged status, or a network plugin that ignores the ranges.',
    'gateClaims',
  );
  gauge(
    'postern_unlinked_local_pods',
    "Pods of this node whose device is unknown: the guard cannot stop them from sending with another pod's address.",
    'unlinkedPods',
  );
  const writes = new Counter({
    name: 'postern_state_writes_total',
    help: "Writes of the last good state to the node's disk: written or failed.",
    labelNames: ['result'],
    registers,
  });
  const restored = new Gauge({
    name: 'postern_state_restored',
    help: 'Whether the kernel holds the saved state of this node: 1; or 0, and it holds the current state of the cluster.',
    registers,
  });
  return {
    counts(each) {
      read = each;
    },
    sandboxCache: (isAvailable) => available.set(Number(isAvailable)),
    sandboxCacheProblem: () => problems.inc(),
    podFetch: (result) => fetches.inc({ result }),
    stateWrite: (result) => writes.inc({ result }),
    restored: (isRestored) => restored.set(Number(isRestored)),
  };
}
