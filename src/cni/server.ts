import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { WantedInterfaces } from '../sandboxes/cache-entry.ts';
import { renderAnswer, type CniAnswer } from './answer.ts';
import { maxRequestBytes, readRequest, type CniRequest } from './request.ts';

export interface CniServerOptions {
  /** The socket. Its directory must be for nothing else: the server closes it to all but root. */
  readonly path: string;
  readonly interfaces: WantedInterfaces;
  /** Must not reject. The signal aborts when the server closes. */
  readonly handle: (request: CniRequest, signal: AbortSignal) => Promise<CniAnswer>;
  /** A request that was not understood, or that did not end in time. */
  readonly refused: (reason: string) => void;
  /** Milliseconds in which the whole request must arrive. */
  readonly requestMs?: number;
}

export interface CniServer {
  close(): Promise<void>;
}

/** 500 pods may start at once. Each call holds one connection until its answer. */
const maxConnections = 1024;
/** Of requests that have not arrived completely, together. */
const maxBufferedBytes = 64 << 20;
const defaultRequestMs = 5000;

/**
 * Serves the CNI plugin. A client can announce pods, so only root of the node may connect: the directory and the socket have no rights for others. The
 * socket has a path, not an abstract name, because pods with the host network can reach abstract names. Rejects if it cannot listen.
 */
export async function startCniServer(options: CniServerOptions): Promise<CniServer> {
  const { path, interfaces, handle, refused, requestMs = defaultRequestMs } = options;
  const ending = new AbortController();
  const sockets = new Set<Socket>();
  let buffered = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (reason: string): void => {
      refused(reason);
      socket.end(renderAnswer({ kind: 'late', reason }));
      socket.destroySoon();
    };
    const timer = setTimeout(() => refuse('the request did not end in time'), requestMs);
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      sockets.delete(socket);
      buffered -= size;
      size = 0;
    });
    socket.on('data', (chunk: Buffer) => {
      if (socket.writableEnded) return;
      size += chunk.length;
      buffered += chunk.length;
      chunks.push(chunk);
      if (size > maxRequestBytes) refuse('the request is too long');
      else if (buffered > maxBufferedBytes) refuse('too many requests at once');
    });
    socket.on('end', () => {
      clearTimeout(timer);
      if (socket.writableEnded) return;
      const request = readRequest(Buffer.concat(chunks), interfaces);
      chunks.length = 0;
      if (typeof request === 'string') return refuse(request);
      void handle(request, ending.signal).then((answer) => socket.end(renderAnswer(answer, request.config)));
    });
  });
  server.maxConnections = maxConnections;
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  // This agent holds the lock of the node, so no other one listens.
  await rm(path, { force: true });
  server.listen({ path, backlog: maxConnections });
  await once(server, 'listening');
  await chmod(path, 0o600);
  return {
    async close() {
      ending.abort();
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
