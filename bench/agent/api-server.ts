import { createReadStream, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { splitLines } from '../../src/watch/json-lines.ts';
import { contentTypes, formOf, hasPages, listVersion, pagePath, type Form } from '../cluster/list-pages.ts';
import { encodeEvent } from '../cluster/protobuf/pods.ts';
import { discovery, servedResources } from '../cluster/served.ts';
import { monotonic } from '../monotonic.ts';
import { certificateIn } from './certificate.ts';

/**
 * Serves lists from files, and watches whose events are the lines on stdin, by TLS. Accepts Events and discards them. Prints "ready", then for each
 * event the time at which it was written to the watches. Runs in the node's network namespace.
 */
const [directory = '', port = ''] = process.argv.slice(2);
const { certificate, key } = certificateIn(directory);
const served = servedResources.filter(({ resource }) => hasPages(directory, resource));
const groups = discovery(served.map(({ resource }) => resource));

/** As an API server, about once a minute. An agent ends a watch that is silent for 150 s (`silenceMs` in src/watch/watch.ts). */
const bookmarkEveryMs = 60_000;

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  const { pathname, searchParams: query } = new URL(request.url!, 'https://server');
  request.resume();
  const watched = served.find(({ path }) => path === pathname);
  const form = watched ? formOf(watched.resource, request.headers.accept) : 'json';
  response.setHeader('content-type', contentTypes[form]);
  if (request.method === 'GET' && watched && query.has('watch')) {
    return openWatch(watched.kind, Number(query.get('resourceVersion')), response, form);
  }
  if (request.method === 'GET' && watched) {
    const page = Number(query.get('continue') ?? 0);
    return void createReadStream(pagePath(directory, watched.resource, page, form)).pipe(response);
  }
  if (request.method === 'GET' && groups.has(pathname)) return void response.end(JSON.stringify(groups.get(pathname)));
  if (request.method !== 'GET') return void response.writeHead(201).end('{}');
  response.writeHead(404).end('{"kind":"Status","code":404}');
});

const watches = new Map<string, Map<ServerResponse, Form>>();
/** The version of the last event, by kind. */
const versions = new Map<string, number>();

function openWatch(kind: string, from: number, response: ServerResponse, form: Form): void {
  // The server keeps no events. A watch that has missed some would make the agent's rules differ from the forecast.
  if (from < versionOf(kind)) throw new Error(`a watch of ${kind} begins at ${from}, and events have come since then`);
  response.writeHead(200).flushHeaders();
  const ofKind = watches.get(kind) ?? new Map<ServerResponse, Form>();
  watches.set(kind, ofKind.set(response, form));
  response.on('close', () => ofKind.delete(response));
}

function versionOf(kind: string): number {
  return versions.get(kind) ?? listVersion;
}

interface WatchEvent {
  readonly type: string;
  readonly object: { readonly kind: string; readonly metadata: { readonly resourceVersion: string } };
}

/** Returns when it wrote the event. Encoding comes before. */
function send(event: WatchEvent, line: string): number {
  const ofKind = watches.get(event.object.kind) ?? new Map<ServerResponse, Form>();
  const hasProtobuf = [...ofKind.values()].includes('protobuf');
  const forms = { json: `${line}\n`, protobuf: hasProtobuf ? encodeEvent(event.type, event.object) : '' };
  const written = monotonic();
  for (const [response, form] of ofKind) response.write(forms[form]);
  return written;
}

function tell(line: string): void {
  const event = JSON.parse(line) as WatchEvent;
  versions.set(event.object.kind, Number(event.object.metadata.resourceVersion));
  process.stdout.write(`${send(event, line)}\n`);
}

setInterval(() => {
  for (const kind of watches.keys()) {
    const event = { type: 'BOOKMARK', object: { kind, metadata: { resourceVersion: String(versionOf(kind)) } } };
    send(event, JSON.stringify(event));
  }
}, bookmarkEveryMs);

server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
for await (const line of splitLines(process.stdin)) tell(line);
