import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics/all.ts';
import type { ApiClient } from '../watch/api-client.ts';
import type { ObjectVersions } from './object-versions.ts';
import { EventWriter } from './event-writer.ts';
import { repeatedEvent, objectEvent, type RepeatedEvent } from './object-event.ts';

/** How many cases are known to have been told. What is forgotten is told again, and the API server has it already. */
const remembered = 5000;

/** Tells the owners of objects. */
export class EventRecorder {
  readonly #node: string;
  readonly #versions: ObjectVersions;
  readonly #writer: Pick<EventWriter, 'add'>;
  readonly #now: () => number;
  readonly #told = new Set<string>();

  constructor(node: string, versions: ObjectVersions, writer: Pick<EventWriter, 'add'>, now: () => number) {
    this.#node = node;
    this.#versions = versions;
    this.#writer = writer;
    this.#now = now;
  }

  /** Of an issue: once for each generation of the object, however often it is told of it. */
  announce(resource: ResourceName, key: ObjectKey, issue: Issue): void {
    const version = this.#versions.find(resource, key);
    if (!version) return;
    const name = [version.uid, version.generation, issue.code, issue.path].join('\n');
    if (this.#told.has(name)) return;
    if (this.#told.size >= remembered) this.#told.clear();
    this.#told.add(name);
    this.#writer.add(objectEvent({ resource, key, version }, issue, { node: this.#node, now: this.#now() }));
  }

  /** Of what happens, whatever has been told before. */
  tell(resource: ResourceName, key: ObjectKey, happening: RepeatedEvent): void {
    const version = this.#versions.find(resource, key);
    if (version) this.#writer.add(repeatedEvent({ resource, key, version }, happening, this.#node));
  }
}

/** One that writes to the API server until the signal aborts. */
export function createEventRecorder(
  node: string,
  versions: ObjectVersions,
  { client, metrics, logger, signal }: AnnouncerTools,
): EventRecorder {
  const writer = new EventWriter({
    client,
    signal,
    random: Math.random,
    // Some hundred nodes a second are no burden to an API server.
    spreadMs: () => versions.count('nodes') * 5,
    sleep: (ms) => delay(ms, undefined, { signal }).catch(() => undefined),
    observer: {
      finished(result, { name }, error) {
        metrics.objectEvents.finished(result);
        if (result === 'dropped') logger.warn({ event: name, err: error }, 'could not write an Event');
      },
      delayed({ name }, error) {
        logger.warn({ event: name, err: error }, 'could not write an Event yet; trying again, later and later');
      },
    },
  });
  return new EventRecorder(node, versions, writer, Date.now);
}

interface AnnouncerTools {
  readonly client: Pick<ApiClient, 'write'>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}
