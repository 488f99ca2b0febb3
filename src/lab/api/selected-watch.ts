import type { StoreEvent } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { ApiObject } from './object.ts';
import type { ResourceName } from './resources.ts';
import { tooOldVersion, type ApiError } from './status.ts';

export interface WatchSink {
  onEvent(type: StoreEvent['type'], object: ApiObject): void;
  /** The watch has ended; no event follows. */
  onExpired(error: ApiError): void;
}

/** Replays the events after `version` (0: the current objects, as ADDED), then reports new events. */
export function watchSelected(
  ledger: Ledger,
  resource: ResourceName,
  isSelected: (object: ApiObject) => boolean,
  version: number,
  sink: WatchSink,
): () => void {
  const past = version === 0 ? [] : ledger.eventsAfter(version);
  if (!past) {
    sink.onExpired(tooOldVersion(version, ledger.compacted));
    return () => {};
  }
  const deliver = (event: StoreEvent): void => {
    if (event.resource !== resource) return;
    const seen = asSeen(event, isSelected);
    if (seen) sink.onEvent(seen.type, seen.object);
  };
  if (version === 0) for (const object of ledger.all(resource).filter(isSelected)) sink.onEvent('ADDED', object);
  for (const event of past) deliver(event);
  // Skips events that the replay contains but that the ledger has not delivered yet.
  const begun = ledger.version;
  const stop = ledger.watch({
    onEvent: (event) => void (event.resourceVersion > begun && deliver(event)),
    onExpired() {
      stop();
      sink.onExpired(tooOldVersion(version, ledger.compacted));
    },
  });
  return stop;
}

function asSeen(
  event: StoreEvent,
  isSelected: (object: ApiObject) => boolean,
): Pick<StoreEvent, 'type' | 'object'> | undefined {
  const { type, object, previous } = event;
  const before = previous !== undefined && isSelected(previous);
  const after = type !== 'DELETED' && isSelected(object);
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', object };
  if (!before) return undefined;
  if (type === 'DELETED') return { type, object };
  // The object left the selection: its last selected state, with the version of the change.
  const { resourceVersion } = object.metadata;
  return {
    type: 'DELETED',
    object: { ...previous, metadata: { ...previous.metadata, resourceVersion: resourceVersion! } },
  };
}
