import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics/all.ts';
import type { ApiClient } from '../watch/api-client.ts';
import type { ObjectVersions } from './object-versions.ts';
import { EventWriter } from './event-writer.ts';
import { repeatedEvent, objectEvent, type ObjectEvent, type RepeatedEvent } from './object-event.ts';

/** How many written Events are remembered. A forgotten one is sent again, and the API server answers that it exists. */
const remembered = 5000;

/** Creates Events about API objects. */
export class EventRecorder {
  readonly #node: string;
  readonly #versions: ObjectVersions;
  readonly #writer: Pick<EventWriter, 'add'>;
  readonly #now: () => number;
  readonly #recorded = new Set<string>();
  /** Those of the recorded ones that were not written. */
  readonly #crowdedOut = new Set<string>();

  constructor(node: string, versions: ObjectVersions, writer: Pick<EventWriter, 'add'>, now: () => number) {
    this.#node = node;
    this.#versions = versions;
    this.#writer = writer;
    this.#now = now;
  }

  /** Creates the Event of an issue, once for each generation of the object. */
  announce(resource: ResourceName, key: ObjectKey, issue: Issue): void {
    const version = this.#versions.find(resource, key);
    if (!version) return;
    if (this.#recorded.has([version.uid, version.generation, issue.code, issue.path].join('\n'))) return;
    const event = objectEvent({ resource, key, version }, issue, { node: this.#node, now: this.#now() });
    if (this.#recorded.size >= remembered) {
      this.#recorded.clear();
      this.#crowdedOut.clear();
    }
    this.#recorded.add(event.identity);
    this.#writer.add(event);
  }

  /** The writer had no room for the Event. */
  crowdedOut({ identity }: ObjectEvent): void {
    if (this.#recorded.has(identity)) this.#crowdedOut.add(identity);
  }

  /** The writer has room again. So the Events that it had no room for are created if their issues are announced again. */
  emptied(): void {
    for (const each of this.#crowdedOut) this.#recorded.delete(each);
    this.#crowdedOut.clear();
  }

  /** Creates or updates the Event of something that happens repeatedly. */
  tell(resource: ResourceName, key: ObjectKey, happening: RepeatedEvent): void {
    const version = this.#versions.find(resource, key);
    if (version) this.#writer.add(repeatedEvent({ resource, key, version }, happening, this.#node));
  }
}

/** Creates a recorder that writes to the API server until the signal aborts. */
export function createEventRecorder(
  node: string,
  versions: ObjectVersions,
  { client, metrics, logger, signal }: RecorderTools,
): EventRecorder {
  const writer = new EventWriter({
    client,
    signal,
    random: Math.random,
    // An API server easily handles the Events of 200 nodes a second.
    spreadMs: () => versions.count('nodes') * 5,
    sleep: (ms) => delay(ms, undefined, { signal }).catch(() => undefined),
    observer: {
      finished(result, { name }, error) {
        metrics.objectEvents.finished(result);
        if (result === 'dropped') logger.warn({ event: name, err: error }, 'could not write an Event');
      },
      crowdedOut(event, isFirst) {
        recorder.crowdedOut(event);
        metrics.objectEvents.finished('dropped');
        if (isFirst) logger.warn({ event: event.name }, 'could not write an Event');
      },
      emptied: () => recorder.emptied(),
      delayed({ name }, error) {
        logger.warn({ event: name, err: error }, 'could not write an Event; trying again with back-off');
      },
    },
  });
  const recorder = new EventRecorder(node, versions, writer, Date.now);
  return recorder;
}

interface RecorderTools {
  readonly client: Pick<ApiClient, 'write'>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}
