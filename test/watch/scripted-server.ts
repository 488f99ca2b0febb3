import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { createApiClient, type ApiClient } from '../../src/watch/api-client.ts';

export type Answer = (response: http.ServerResponse) => void;

/** An HTTP server that answers each request with the next answer of its script; what comes after the script hangs. */
export interface ScriptedServer {
  readonly client: ApiClient;
  /** What was asked, in order. */
  readonly requests: readonly URL[];
  /** The header `Accept` of each request. */
  readonly accepted: readonly (string | undefined)[];
  /** The open answer to the newest request: a stream goes on with it. */
  current(): http.ServerResponse;
  close(): Promise<void>;
}

export async function startScriptedServer(script: readonly Answer[]): Promise<ScriptedServer> {
  const requests: URL[] = [];
  const accepted: (string | undefined)[] = [];
  let current: http.ServerResponse | undefined;
  const server = http.createServer((request, response) => {
    const answer = script[requests.length];
    requests.push(new URL(request.url!, 'http://server'));
    accepted.push(request.headers.accept);
    current = response;
    answer?.(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser({ name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: false }, { name: 'u' });
  return {
    client: createApiClient(config),
    requests,
    accepted,
    current: () => current!,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function json(status: number, body: unknown): Answer {
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function html(status: number): Answer {
  return (response) => response.writeHead(status, { 'content-type': 'text/html' }).end('<html>busy</html>');
}

export function list(version: string, items: readonly unknown[], next?: string): Answer {
  return json(200, { metadata: { resourceVersion: version, ...(next && { continue: next }) }, items });
}

/** Lines, then `end` (in order), `cut` (the connection breaks after the text `tail`) or left open. */
export function stream(events: readonly unknown[], then: 'end' | 'open' | { readonly cut: string } = 'open'): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    if (then === 'end') response.end(text);
    else if (then === 'open') response.write(text);
    else response.write(text + then.cut, () => response.destroy());
  };
}

export const gone = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };

/** Gives up long after the test has, so that a failure does not keep the process alive. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!condition()) await setTimeout(2, undefined, { signal: deadline });
}
