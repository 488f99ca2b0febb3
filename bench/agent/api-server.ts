import { createReadStream, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { watchedResources } from '../../src/watch/resources.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { listVersion, pagePath } from '../cluster/list-pages.ts';
import { monotonic } from '../monotonic.ts';
import { certificateIn } from './certificate.ts';

/**
 * Serves lists from files, and watches whose events are the lines on stdin, by TLS. Accepts Events and discards them. Prints "ready", then for each
 * event the time at which it was written to the watches. Runs in the node's network namespace.
 */
const [directory = '', port = ''] = process.argv.slice(2);
const { certificate, key } = certificateIn(directory);

/** As an API server, about once a minute. An agent ends a watch that is silent for 150 s (`silenceMs` in src/watch/watch.ts). */
const bookmarkEveryMs = 60_000;

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  const { pathname, searchParams: query } = new URL(request.url!, 'https://server');
  request.resume();
  response.setHeader('content-type', 'application/json');
  const watched = watchedResources.find(({ path }) => path === pathname);
  if (request.method === 'GET' && watched && query.has('watch')) {
    return openWatch(watched.kind, Number(query.get('resourceVersion')), response);
  }
  if (request.method === 'GET' && watched) {
    const page = Number(query.get('continue') ?? 0);
    return void createReadStream(pagePath(directory, watched.resource, page)).pipe(response);
  }
  if (request.method !== 'GET') return void response.writeHead(201).end('{}');
  response.writeHead(404).end('{"kind":"Status","code":404}');
});

const watches = new Map<string, Set<ServerResponse>>();
/** The version of the last event, by kind. */
const versions = new Map<string, number>();

function openWatch(kind: string, from: number, response: ServerResponse): void {
  // The server keeps no events. A watch that has missed some would make the agent's rules differ from the forecast.
  if (from < versionOf(kind)) throw new Error(`a watch of ${kind} begins at ${from}, and events have come since then`);
  response.writeHead(200).flushHeaders();
  const ofKind = watches.get(kind) ?? new Set();
  watches.set(kind, ofKind.add(response));
  response.on('close', () => ofKind.delete(response));
}

function versionOf(kind: string): number {
  return versions.get(kind) ?? listVersion;
}

function tell(line: string): void {
  const { object } = JSON.parse(line) as { object: { kind: string; metadata: { resourceVersion: string } } };
  const written = monotonic();
  versions.set(object.kind, Number(object.metadata.resourceVersion));
  for (const response of watches.get(object.kind) ?? []) response.write(`${line}\n`);
  process.stdout.write(`${written}\n`);
}

setInterval(() => {
  for (const [kind, ofKind] of watches) {
    const object = { kind, metadata: { resourceVersion: String(versionOf(kind)) } };
    const line = JSON.stringify({ type: 'BOOKMARK', object });
    for (const response of ofKind) response.write(`${line}\n`);
  }
}, bookmarkEveryMs);

server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
for await (const line of splitLines(process.stdin)) tell(line);
