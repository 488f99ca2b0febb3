import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface RulesetSizes {
  readonly sets: number;
  readonly maps: number;
  readonly chains: number;
  readonly classes: number;
  readonly elements: number;
}

/** Each is a series from the start: a counter that first appears as 1 has not increased, as Prometheus sees it. */
const applyErrorCodes = ['refused', 'timeout', 'aborted', 'crashed', 'missing', 'denied', 'failed'] as const;

/** The way into the kernel. */
export interface ApplyMetrics {
  /** From a watch event to the end of the last stage that it caused (S7.2). */
  eventToKernel(seconds: number): void;
  stage(stage: string, seconds: number): void;
  /** `code` as of NftError. */
  error(code: (typeof applyErrorCodes)[number]): void;
  operations(verb: string, count: number): void;
  sizes(sizes: RulesetSizes): void;
  /** What was found in the kernel at start: no table of ours, one that needed no change, or one that did. */
  adopted(result: 'fresh' | 'unchanged' | 'changed'): void;
  /** The kernel did not hold what was last written. */
  drift(): void;
  /** Whether nft tells of each change on the node. */
  monitor(isListening: boolean): void;
}

/** The target is 1 s at p99, the hard ceiling 10 s (S7.2). */
const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createApplyMetrics(registry: Registry): ApplyMetrics {
  const registers = [registry];
  const latency = new Histogram({
    name: 'postern_event_to_kernel_seconds',
    help: 'From the arrival of a watch event to the end of the last transaction that it caused.',
    buckets: latencyBuckets,
    registers,
  });
  const duration = new Histogram({
    name: 'postern_apply_stage_duration_seconds',
    help: 'Runs of nft that went well, by stage: make, switch, break.',
    labelNames: ['stage'],
    buckets: durationBuckets,
    registers,
  });
  const errors = new Counter({
    name: 'postern_apply_errors_total',
    help: 'Runs of nft that failed, by error code.',
    labelNames: ['code'],
    registers,
  });
  for (const code of applyErrorCodes) errors.inc({ code }, 0);
  const operations = new Counter({
    name: 'postern_apply_operations_total',
    help: 'Operations written to the kernel, by verb.',
    labelNames: ['verb'],
    registers,
  });
  const objects = new Gauge({
    name: 'postern_ruleset_objects',
    help: 'What our tables hold, by kind: set, map, chain, class (the chains that judge pods).',
    labelNames: ['kind'],
    registers,
  });
  const elements = new Gauge({
    name: 'postern_ruleset_elements',
    help: 'Elements of all sets and maps of our tables.',
    registers,
  });
  const adoptions = new Counter({
    name: 'postern_adoptions_total',
    help: 'What was found in the kernel at start: fresh (no table of ours), unchanged or changed.',
    labelNames: ['result'],
    registers,
  });
  const drift = new Counter({
    name: 'postern_drift_total',
    help: 'Times that another program had changed one of our tables, which was then restored.',
    registers,
  });
  const monitor = new Gauge({
    name: 'postern_drift_monitor_up',
    help: 'Whether nft tells the agent of every change on the node: 1, or 0, and only the chains that every packet meets are compared.',
    registers,
  });
  return {
    eventToKernel: (seconds) => latency.observe(seconds),
    stage: (stage, seconds) => duration.observe({ stage }, seconds),
    error: (code) => errors.inc({ code }),
    operations: (verb, count) => operations.inc({ verb }, count),
    sizes({ sets, maps, chains, classes, elements: count }) {
      objects.set({ kind: 'set' }, sets);
      objects.set({ kind: 'map' }, maps);
      objects.set({ kind: 'chain' }, chains);
      objects.set({ kind: 'class' }, classes);
      elements.set(count);
    },
    adopted: (result) => adoptions.inc({ result }),
    drift: () => drift.inc(),
    monitor: (isListening) => monitor.set(isListening ? 1 : 0),
  };
}
