import { createReadStream, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { watchedResources } from '../../src/watch/resources.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { pagePath } from '../cluster/list-pages.ts';
import { monotonic } from '../monotonic.ts';
import { certificateIn } from './certificate.ts';

/**
 * Serves lists from files, and watches whose events are the lines on stdin, by TLS. Accepts Events and discards them. Prints "ready", then for each
 * event the time at which it was written to the watches. Runs in the node's network namespace.
 */
const [directory = '', port = ''] = process.argv.slice(2);
const { certificate, key } = certificateIn(directory);

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  const { pathname, searchParams: query } = new URL(request.url!, 'https://server');
  request.resume();
  response.setHeader('content-type', 'application/json');
  const watched = watchedResources.find(({ path }) => path === pathname);
  if (request.method === 'GET' && watched && query.has('watch')) return openWatch(watched.kind, response);
  if (request.method === 'GET' && watched) {
    const page = Number(query.get('continue') ?? 0);
    return void createReadStream(pagePath(directory, watched.resource, page)).pipe(response);
  }
  if (request.method !== 'GET') return void response.writeHead(201).end('{}');
  response.writeHead(404).end('{"kind":"Status","code":404}');
});

const watches = new Map<string, Set<ServerResponse>>();
let version = 9_000_000;

function openWatch(kind: string, response: ServerResponse): void {
  response.writeHead(200).flushHeaders();
  const ofKind = watches.get(kind) ?? new Set();
  watches.set(kind, ofKind.add(response));
  response.on('close', () => ofKind.delete(response));
}

function tell(line: string): void {
  const { type, object } = JSON.parse(line) as { type: string; object: { kind: string; metadata: object } };
  const metadata = { ...object.metadata, resourceVersion: String(++version) };
  const text = `${JSON.stringify({ type, object: { ...object, metadata } })}\n`;
  const written = monotonic();
  for (const response of watches.get(object.kind) ?? []) response.write(text);
  process.stdout.write(`${written}\n`);
}

server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
for await (const line of splitLines(process.stdin)) tell(line);
