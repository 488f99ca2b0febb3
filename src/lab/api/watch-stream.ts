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
  /** Milliseconds between bookmarks. */
  readonly bookmarkInterval: number;
  /** Converts an object to the requested form. */
  readonly present: (object: ApiObject) => unknown;
}

/** Seconds; a Node.js timer is limited to 2^31 ms (24 days). */
const longestTimeout = 86_400;

/** Limit of unsent bytes. The server disconnects a slower client, as the real server does. */
const backlogLimit = 64 * 1024 * 1024;

/** Sends one JSON line per event until the timeout, until the client disconnects, or until the watch expires. */
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

  // The header is sent with the first write, so that an invalid selector still gets a Status.
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

  // The real server picks a random time between min-request-timeout (30 min) and twice that.
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
