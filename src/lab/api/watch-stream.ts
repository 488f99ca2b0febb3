import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ApiObject } from './object.ts';
import type { Selection } from './listing.ts';
import { apiVersionOf, resources, type ResourceName } from './resources.ts';
import type { Store } from './store.ts';

export interface WatchRequest {
  readonly name: ResourceName;
  readonly selection: Selection;
  readonly resourceVersion: string;
  readonly allowBookmarks: boolean;
  readonly timeoutSeconds: number | undefined;
  /** How often bookmarks come, in milliseconds. */
  readonly bookmarkInterval: number;
  /** The form an object is sent in. */
  readonly present: (object: ApiObject) => unknown;
}

/** Seconds; a timer cannot run for much longer than three weeks. */
const longestTimeout = 86_400;

/** A client that reads slower than this many bytes behind is cut off, as the real server does. */
const backlogLimit = 64 * 1024 * 1024;

/** Answers with one JSON line an event until the time is over, the client leaves or the past is lost. */
export function streamWatch(store: Store, request: WatchRequest, response: ServerResponse): void {
  const send = (type: string, object: unknown): void => {
    response.write(`${JSON.stringify({ type, object })}\n`);
    if (response.writableLength > backlogLimit) response.destroy();
  };
  const timers: NodeJS.Timeout[] = [];
  let over = false;
  let stop = (): void => {};
  const end = (): void => {
    over = true;
    stop();
    for (const timer of timers) clearTimeout(timer);
    response.end();
  };
  const bookmark = (): void => send('BOOKMARK', bookmarkOf(request.name, store.resourceVersion));

  // The head goes with the first write, so that a selector that does not parse is still answered by a Status.
  response.setHeader('content-type', 'application/json');
  response.setHeader('cache-control', 'no-cache, private');
  stop = store.watchSelected(request.name, request.selection, request.resourceVersion, {
    onEvent: (type, object) => send(type, request.present(object)),
    onExpired: (error) => {
      send('ERROR', error.status);
      end();
    },
  });
  if (over) return;
  response.flushHeaders();

  // The real server draws from min-request-timeout (30 min) to twice that.
  const seconds = Math.min(request.timeoutSeconds || randomInt(1800, 3600), longestTimeout);
  timers.push(
    setTimeout(() => {
      if (request.allowBookmarks) bookmark();
      end();
    }, seconds * 1000),
  );
  if (request.allowBookmarks) timers.push(setInterval(bookmark, request.bookmarkInterval));
  response.on('close', end);
}

function bookmarkOf(name: ResourceName, resourceVersion: string): object {
  const resource = resources[name];
  return {
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: { resourceVersion, creationTimestamp: null },
  };
}
