import { Counter, Gauge, type Registry } from 'prom-client';

/** How fresh our picture of the cluster is, and what it costs to keep it so. */
export interface WatchMetrics {
  contact(resource: string): void;
  listed(resource: string, kind: 'first' | 'again'): void;
  /** `reason`: the code of the error, or `closed` for a stream that the server ended in good order. */
  interrupted(resource: string, reason: string): void;
  event(resource: string, op: 'upsert' | 'remove'): void;
  skipped(resource: string): void;
  /** Objects that are kept although a list came back without them; 0 where there are none. */
  held(resource: string, objects: number): void;
}

export function createWatchMetrics(registry: Registry): WatchMetrics {
  const registers = [registry];
  const lastContact = new Gauge({
    name: 'postern_watch_last_contact_timestamp_seconds',
    help: 'When the API server last sent anything for this resource, in seconds since 1970.',
    labelNames: ['resource'],
    registers,
  });
  const lists = new Counter({
    name: 'postern_watch_lists_total',
    help: 'Complete lists of a resource: the first, and those again after its version had expired.',
    labelNames: ['resource', 'kind'],
    registers,
  });
  const interruptions = new Counter({
    name: 'postern_watch_interruptions_total',
    help: 'Watches that ended and were opened again, by reason: closed is the server ending one in good order.',
    labelNames: ['resource', 'reason'],
    registers,
  });
  const events = new Counter({
    name: 'postern_watch_events_total',
    help: 'Changes of objects that were told to the indexer.',
    labelNames: ['resource', 'op'],
    registers,
  });
  const skipped = new Counter({
    name: 'postern_watch_skipped_total',
    help: 'Things the API server sent that are no objects of the resource.',
    labelNames: ['resource'],
    registers,
  });
  const held = new Gauge({
    name: 'postern_watch_held_objects',
    help: 'Objects that stay in force although the last list of their resource came back empty: it is asked for again.',
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
