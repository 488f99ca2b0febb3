import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import type { ApiReader } from '../../src/watch/api-client.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { contentTypes, formOf, pagePath } from '../cluster/list-pages.ts';

/** Reads lists from files. Watches never have events. */
export function readPages(directory: string): ApiReader {
  return {
    async get(path, { query, signal, accept, onHeaders }) {
      const { resource } = watchedResources.find((each) => each.path === path)!;
      if (query['watch'] !== undefined) return silence(signal);
      const form = formOf(resource, accept);
      onHeaders?.({ 'content-type': contentTypes[form] });
      return createReadStream(pagePath(directory, resource, Number(query['continue'] ?? 0), form));
    },
  };
}

async function* silence(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!signal.aborted) await once(signal, 'abort');
  yield* [];
}
