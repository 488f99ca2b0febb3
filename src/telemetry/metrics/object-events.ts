import { Counter, type Registry } from 'prom-client';

/** The Events by which the owners of objects are told what is wrong with them. */
export interface ObjectEventMetrics {
  finished(result: 'written' | 'known' | 'dropped'): void;
}

export function createObjectEventMetrics(registry: Registry): ObjectEventMetrics {
  const events = new Counter({
    name: 'postern_object_events_total',
    help: 'Events for the owners of objects: written, known (another node was first) or dropped (refused, or too many at once).',
    labelNames: ['result'],
    registers: [registry],
  });
  return { finished: (result) => events.inc({ result }) };
}
