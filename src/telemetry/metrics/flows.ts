import { Counter, Gauge, type Registry } from 'prom-client';

/** The rows that can count a connection, from its own to the coarsest. */
type RowForm = 'own' | 'block' | 'ports' | 'others' | 'namespace';

export interface FlowFigures {
  readonly rows: number;
  /** Connections since the start. */
  readonly counted: Readonly<Record<RowForm, number>>;
  /** The last complete look at all tracked connections; missing before the first. */
  readonly look?: { readonly seconds: number; readonly connections: number };
  /** The last look ended with an error. */
  readonly isFailing: boolean;
}

/** Metrics of the flows that an agent keeps. Without them, no series. */
export interface FlowMetrics {
  /** `read` is called at each scrape. */
  figures(read: () => FlowFigures): void;
}

export function createFlowMetrics(registry: Registry): FlowMetrics {
  const registers = [registry];
  let read: (() => FlowFigures) | undefined;
  const gauge = (name: string, help: string, figure: (figures: FlowFigures) => number | undefined): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.remove();
        const value = read && figure(read());
        if (value !== undefined) this.set(value);
      },
    });
  };
  gauge('postern_flow_rows', 'Rows that the agent holds for `postern flows`, of the last hour.', ({ rows }) => rows);
  new Counter({
    name: 'postern_flow_connections_total',
    help: 'Connections and denials counted for `postern flows`, by row: own; or, if a workload or namespace has too many, block, ports, others or namespace.',
    labelNames: ['row'],
    registers,
    collect() {
      this.reset();
      if (read) for (const [row, count] of Object.entries(read().counted)) this.inc({ row }, count);
    },
  });
  gauge(
    'postern_flow_look_seconds',
    'How long the last complete look at all tracked connections took. Above 10, `postern flows` misses short connections.',
    ({ look }) => look?.seconds,
  );
  gauge(
    'postern_flow_look_connections',
    'Tracked connections that the last complete look found.',
    ({ look }) => look?.connections,
  );
  gauge(
    'postern_flow_look_failing',
    'Whether the agent cannot read the tracked connections: 1, and `postern flows` shows only denials of this node; or 0.',
    ({ isFailing }) => Number(isFailing),
  );
  return {
    figures(from) {
      read = from;
    },
  };
}
