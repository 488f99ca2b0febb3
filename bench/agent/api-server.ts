import { createReadStream } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { watchedResources } from '../../src/watch/resources.ts';
import { pagePath } from '../cluster/list-pages.ts';

/** Serves lists from files, and watches that have no news; takes Events and forgets them. It says "ready". To be run in the node's network namespace. */
const [directory = '', port = ''] = process.argv.slice(2);

const server = createServer((request, response) => {
  const { pathname, searchParams: query } = new URL(request.url!, 'http://server');
  request.resume();
  response.setHeader('content-type', 'application/json');
  const watched = watchedResources.find(({ path }) => path === pathname);
  if (request.method === 'GET' && watched && query.has('watch')) return openWatch(response);
  if (request.method === 'GET' && watched) {
    const page = Number(query.get('continue') ?? 0);
    return void createReadStream(pagePath(directory, watched.resource, page)).pipe(response);
  }
  if (request.method !== 'GET') return void response.writeHead(201).end('{}');
  response.writeHead(404).end('{"kind":"Status","code":404}');
});

function openWatch(response: ServerResponse): void {
  response.writeHead(200).flushHeaders();
}

server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
