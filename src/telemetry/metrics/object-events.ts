import { Counter, type Registry } from 'prom-client';

/** Metrics of Events about API objects. */
export interface ObjectEventMetrics {
  finished(result: 'written' | 'known' | 'dropped'): void;
}

export function createObjectEventMetrics(registry: Registry): ObjectEventMetrics {
  const events = new Counter({
    name: 'postern_object_events_total',
    help: 'Events about API objects: written, known (another node had written it) or dropped (refused, or too many at once).',
    labelNames: ['result'],
    registers: [registry],
  });
  return { finished: (result) => events.inc({ result }) };
}
