import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';

/** One exec, as the server side of remotecommand's WebSocket (v4.channel.k8s.io and later) has it. */
export interface ExecSession {
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  /** A message of a stream: 1 stdout, 2 stderr, 3 status. */
  send(stream: number, text: string): void;
  exit(code: number): void;
  /** The connection breaks. */
  cut(): void;
  readonly closed: Promise<unknown>;
}

export interface ExecServer {
  readonly config: KubeConfig;
  readonly url: string;
  close(): Promise<void>;
}

interface ExecServerOptions {
  readonly run?: (session: ExecSession) => void;
  /** With this status. */
  readonly refuse?: (url: URL) => number | undefined;
  /** All other requests. */
  readonly serve?: http.RequestListener;
}

/** An API server for `pods/exec`. */
export async function startExecServer({
  run = () => {},
  refuse = () => undefined,
  serve = (_, response) => void response.writeHead(404).end(),
}: ExecServerOptions): Promise<ExecServer> {
  const server = http.createServer(serve);
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request: http.IncomingMessage, socket: Duplex) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const url = new URL(request.url!, 'http://server');
    const refusal = refuse(url);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\ncontent-length: 0\r\n\r\n`);
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const answer = [
      'HTTP/1.1 101 Switching Protocols',
      'upgrade: websocket',
      'connection: upgrade',
      `sec-websocket-accept: ${createHash('sha1').update(key).digest('base64')}`,
      'sec-websocket-protocol: v5.channel.k8s.io',
    ];
    socket.write(`${answer.join('\r\n')}\r\n\r\n`);
    const send = (stream: number, text: string): void => {
      socket.write(frame(Buffer.concat([Buffer.from([stream]), Buffer.from(text)])));
    };
    run({
      url,
      headers: request.headers,
      send,
      exit: (code) => send(3, JSON.stringify(statusOf(code))),
      cut: () => socket.destroy(),
      closed: once(socket, 'close'),
    });
    // Read to its end, or its end is never told.
    socket.on('end', () => socket.end()).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: false }, { name: 'u', token: 'secret' });
  return {
    config,
    url,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A whole binary message (RFC 6455), which a server does not mask. */
function frame(payload: Buffer): Buffer {
  const header = Buffer.alloc(payload.length < 126 ? 2 : 10);
  header[0] = 0x82;
  if (payload.length < 126) header[1] = payload.length;
  else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([header, payload]);
}

/** As the kubelet ends a command (remotecommand v4). */
function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: error executing command, exit code ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}
