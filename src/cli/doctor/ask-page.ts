import { once } from 'node:events';
import http from 'node:http';
import type { Listen } from '../../config/listen.ts';

const maxBytes = 64 << 20;

/** Fetches a page of a server on this node. Rejects if the status is not 200, with a readable message. */
export async function askPage(where: Listen, path: string, timeoutMs: number): Promise<string> {
  const target = 'path' in where ? { socketPath: where.path } : { host: reachable(where.host), port: where.port };
  // One timeout for the whole answer: any program may listen there.
  const signal = AbortSignal.timeout(timeoutMs);
  const request = http.request({ ...target, path, signal, agent: false }).end();
  try {
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`${path} is larger than ${maxBytes >> 20} MB`);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString('utf8');
    if (response.statusCode === 200) return text;
    throw new Error(`${path}: status ${response.statusCode}: ${text.trim().split('\n')[0]!.slice(0, 200)}`);
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    request.destroy();
  }
}

/** A wildcard address includes loopback. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

export function showListen(where: Listen): string {
  if ('path' in where) return `unix:${where.path}`;
  return where.host.includes(':') ? `[${where.host}]:${where.port}` : `${where.host}:${where.port}`;
}
