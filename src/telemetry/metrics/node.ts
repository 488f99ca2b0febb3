import { Counter, Gauge, type Registry } from 'prom-client';

export interface NodeCounts {
  readonly sandboxes: number;
  readonly unknownSandboxes: number;
  readonly unlinkedPods: number;
  readonly gatedRanges: number;
  readonly gateClaims: number;
}

/** What the node itself tells of its pods, and what it keeps. */
export interface NodeMetrics {
  /** Asked at each scrape. */
  counts(read: () => NodeCounts): void;
  /** Whether the record of the container runtime can be read. */
  sandboxCache(available: boolean): void;
  sandboxCacheProblem(): void;
  podFetch(result: 'found' | 'missing' | 'failed'): void;
  stateWrite(result: 'written' | 'failed'): void;
  /** The kernel holds what this node had kept, not what the cluster says. */
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
    help: 'Whether what the container runtime notes of its pods can be read: 1, or 0, and addresses come from the API server alone.',
    registers,
  });
  gauge('postern_sandboxes', 'Running sandboxes of pods that the container runtime has noted.', 'sandboxes');
  gauge(
    'postern_unknown_sandboxes',
    'Running sandboxes whose pod is not known (yet): nothing but control traffic passes from and to their addresses.',
    'unknownSandboxes',
  );
  const problems = new Counter({
    name: 'postern_sandbox_cache_problems_total',
    help: "Files of the container runtime's notes that look like a pod's and cannot be used.",
    registers,
  });
  const fetches = new Counter({
    name: 'postern_pod_fetches_total',
    help: 'Questions for the pod of a sandbox that the watch had not brought: found, missing (there is no such pod) or failed (asked again).',
    labelNames: ['result'],
    registers,
  });
  gauge(
    'postern_gated_ranges',
    'Ranges of this node in which no address but those of its pods with rules may send or receive; 0: there is no gate.',
    'gatedRanges',
  );
  gauge(
    'postern_gate_claimed_addresses',
    'Addresses of the gated ranges that pods of other nodes claim: a forged status, or a plugin that does not keep to the ranges.',
    'gateClaims',
  );
  gauge(
    'postern_unlinked_local_pods',
    'Pods of this node of which it is not known on what device they are: nothing keeps them from sending as another.',
    'unlinkedPods',
  );
  const writes = new Counter({
    name: 'postern_state_writes_total',
    help: 'Times that the last good state went to the disk of the node: written or failed.',
    labelNames: ['result'],
    registers,
  });
  const restored = new Gauge({
    name: 'postern_state_restored',
    help: 'Whether the kernel holds what this node had kept: 1, or 0, and it holds what the API server says.',
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
