import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface RulesetSizes {
  readonly sets: number;
  readonly maps: number;
  readonly chains: number;
  readonly classes: number;
  readonly elements: number;
}

/** Each code has a series from the start: if a counter first appears as 1, Prometheus sees no increase. */
const applyErrorCodes = ['refused', 'timeout', 'aborted', 'crashed', 'missing', 'denied', 'failed'] as const;

const comparisons = ['same', 'different', 'failed'] as const;

/** Metrics of nft runs and of the rules in the kernel. */
export interface ApplyMetrics {
  /** Seconds from a watch event to the end of the last stage that it caused (S7.2). */
  eventToKernel(seconds: number): void;
  stage(stage: string, seconds: number): void;
  /** The code of an NftError. */
  error(code: (typeof applyErrorCodes)[number]): void;
  operations(verb: string, count: number): void;
  /** What wrote a transaction to the kernel. */
  wrote(by: 'netlink' | 'nft'): void;
  /** @param read returns the sizes of what is in force, at each scrape */
  sizes(read: () => RulesetSizes): void;
  /** What the agent found at start: none of our tables, tables that needed no change, or tables that needed one. */
  adopted(result: 'fresh' | 'unchanged' | 'changed'): void;
  /** A table in the kernel differed from what the agent wrote. */
  drift(): void;
  /** A part of our tables was compared with what it should hold. */
  compared(result: (typeof comparisons)[number]): void;
  /** @param read returns, at each scrape, by table how many seconds ago all of it had been compared */
  comparedTables(read: () => Readonly<Record<string, number>>): void;
  /** Whether `nft monitor` reports each change on the node. */
  monitor(isListening: boolean): void;
  /** Connections of an address that has come to another pod may be left. */
  connectionFlushFailure(): void;
}

/** The target is 1 s at p99, the hard ceiling 10 s (S7.2). */
const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createApplyMetrics(registry: Registry): ApplyMetrics {
  const registers = [registry];
  const latency = new Histogram({
    name: 'postern_event_to_kernel_seconds',
    help: 'Time from a watch event to the end of the last nftables transaction that it caused.',
    buckets: latencyBuckets,
    registers,
  });
  const duration = new Histogram({
    name: 'postern_apply_stage_duration_seconds',
    help: 'Duration of successful nft runs, by stage: clear, make, switch, break, forget, open, delete. It includes the wait for packets in flight.',
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
  const transactions = new Counter({
    name: 'postern_apply_transactions_total',
    help: 'Transactions written to the kernel, by writer: netlink (elements of sets and maps only) or nft.',
    labelNames: ['by'],
    registers,
  });
  for (const by of ['netlink', 'nft']) transactions.inc({ by }, 0);
  let readSizes: () => RulesetSizes | undefined = () => undefined;
  new Gauge({
    name: 'postern_ruleset_objects',
    help: "Objects in Postern's tables, by kind: set, map, chain, class (the chains with the rules of pods).",
    labelNames: ['kind'],
    registers,
    collect() {
      const sizes = readSizes();
      if (!sizes) return;
      this.set({ kind: 'set' }, sizes.sets);
      this.set({ kind: 'map' }, sizes.maps);
      this.set({ kind: 'chain' }, sizes.chains);
      this.set({ kind: 'class' }, sizes.classes);
    },
  });
  new Gauge({
    name: 'postern_ruleset_elements',
    help: "Elements of all sets and maps in Postern's tables.",
    registers,
    collect() {
      this.set(readSizes()?.elements ?? 0);
    },
  });
  const adoptions = new Counter({
    name: 'postern_adoptions_total',
    help: "What the agent found in the kernel at start: fresh (none of Postern's tables), unchanged or changed.",
    labelNames: ['result'],
    registers,
  });
  const drift = new Counter({
    name: 'postern_drift_total',
    help: "How often another program changed one of Postern's tables and the agent restored it.",
    registers,
  });
  const compared = new Counter({
    name: 'postern_comparisons_total',
    help: "Parts of Postern's tables that the agent compared with what they should hold: same, different (the agent restores the table), or failed (it tries again).",
    labelNames: ['result'],
    registers,
  });
  for (const result of comparisons) compared.inc({ result }, 0);
  let readCompared: () => Readonly<Record<string, number>> = () => ({});
  new Gauge({
    name: 'postern_table_compared_timestamp_seconds',
    help: 'When the agent began its last complete comparison of this table with what it should hold, in seconds since 1970.',
    labelNames: ['family'],
    registers,
    collect() {
      this.reset();
      for (const [family, ago] of Object.entries(readCompared())) this.set({ family }, Date.now() / 1000 - ago);
    },
  });
  const monitor = new Gauge({
    name: 'postern_drift_monitor_up',
    help: 'Whether `nft monitor` reports every change of rules on the node: 1; or 0, and the agent only checks the chains that every packet meets.',
    registers,
  });
  const flushFailures = new Counter({
    name: 'postern_connection_flush_failures_total',
    help: 'Times that the agent could not delete all connections of pods that have gone. New pods with their addresses stay denied.',
    registers,
  });
  return {
    eventToKernel: (seconds) => latency.observe(seconds),
    stage: (stage, seconds) => duration.observe({ stage }, seconds),
    error: (code) => errors.inc({ code }),
    operations: (verb, count) => operations.inc({ verb }, count),
    wrote: (by) => transactions.inc({ by }),
    sizes(read) {
      readSizes = read;
    },
    adopted: (result) => adoptions.inc({ result }),
    drift: () => drift.inc(),
    compared: (result) => compared.inc({ result }),
    comparedTables(read) {
      readCompared = read;
    },
    monitor: (isListening) => monitor.set(isListening ? 1 : 0),
    connectionFlushFailure: () => flushFailures.inc(),
  };
}
