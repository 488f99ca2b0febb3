import { Counter, Gauge, type Registry } from 'prom-client';

/** Metrics of lists and watches. */
export interface WatchMetrics {
  contact(resource: string): void;
  listed(resource: string, kind: 'first' | 'again'): void;
  /** `reason` is the code of the error, or `closed` if the API server closed the stream normally. */
  interrupted(resource: string, reason: string): void;
  event(resource: string, op: 'upsert' | 'remove'): void;
  skipped(resource: string): void;
  /** Objects that stay in force although a list was empty; 0 if there are none. */
  held(resource: string, objects: number): void;
}

export function createWatchMetrics(registry: Registry): WatchMetrics {
  const registers = [registry];
  const lastContact = new Gauge({
    name: 'postern_watch_last_contact_timestamp_seconds',
    help: 'When the API server last sent data for this resource, in seconds since 1970.',
    labelNames: ['resource'],
    registers,
  });
  const lists = new Counter({
    name: 'postern_watch_lists_total',
    help: 'Complete lists of a resource: first, or again because the resourceVersion had expired.',
    labelNames: ['resource', 'kind'],
    registers,
  });
  const interruptions = new Counter({
    name: 'postern_watch_interruptions_total',
    help: 'Watches that ended and were opened again, by reason; closed means that the API server ended the stream normally.',
    labelNames: ['resource', 'reason'],
    registers,
  });
  const events = new Counter({
    name: 'postern_watch_events_total',
    help: 'Changes of objects that the watch passed to the indexer.',
    labelNames: ['resource', 'op'],
    registers,
  });
  const skipped = new Counter({
    name: 'postern_watch_skipped_total',
    help: 'Items from the API server that are not objects of the resource.',
    labelNames: ['resource'],
    registers,
  });
  const held = new Gauge({
    name: 'postern_watch_held_objects',
    help: 'Objects that stay in force although the last list of their resource was empty; the agent lists again.',
    labelNames: ['resource'],
    registers,
  });
  return {
    contact: (resource) => lastContact.set({ resource }, Date.now() / 1000),
    listed: (resource, kind) => lists.inc({ resource, kind }),
    interrupted: (resource, reason) => interruptions.inc({ resource, reason }),
    event: (resource, op) => events.inc({ resource, op }),
    skipped: (resource) => skipped.inc({ resource }),
    held: (resource, objects) => held.set({ resource }, objects),
  };
}
