import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';

/** Behaviour of an exec; `refused`: an HTTP status instead; `break`: the connection closes first; `hang`: the program never exits. */
export interface ExecAnswer {
  readonly stdout?: readonly string[];
  readonly stderr?: string;
  readonly exitCode?: number;
  readonly refused?: number;
  readonly ending?: 'break' | 'hang';
}

export interface ExecServer {
  readonly url: string;
  readonly config: KubeConfig;
  /** Received exec requests: path, command and headers. */
  readonly execs: readonly {
    readonly path: string;
    readonly command: readonly string[];
    readonly headers: http.IncomingHttpHeaders;
  }[];
  close(): Promise<void>;
}

/** An API server with lists and with `pods/exec` (v4.channel.k8s.io). In `lists`, an array is the items of a list, and an object is the whole answer; one with a `code` is a refusal. */
export async function startExecServer(
  answerOf: (path: string, command: readonly string[]) => ExecAnswer | Promise<ExecAnswer>,
  lists: Readonly<Record<string, object>> = {},
  tls?: { readonly cert: string; readonly key: string },
): Promise<ExecServer> {
  const execs: { path: string; command: string[]; headers: http.IncomingHttpHeaders }[] = [];
  const sockets = new Set<Duplex>();
  const list: http.RequestListener = (request, response) => {
    const found = lists[new URL(request.url!, 'http://server').pathname] ?? [];
    if ('code' in found) response.statusCode = Number(found.code);
    response.end(JSON.stringify(Array.isArray(found) ? { metadata: { resourceVersion: '7' }, items: found } : found));
  };
  const server = tls ? https.createServer(tls, list) : http.createServer(list);
  server.on('upgrade', (request, socket) => {
    const url = new URL(request.url!, 'http://server');
    const command = url.searchParams.getAll('command');
    execs.push({ path: url.pathname, command, headers: request.headers });
    sockets.add(socket);
    void Promise.resolve(answerOf(url.pathname, command)).then((found) => answer(request, socket, found));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = new KubeConfig();
  const trusted = tls && { caData: Buffer.from(tls.cert).toString('base64') };
  config.loadFromClusterAndUser(
    { name: 'c', server: url, skipTLSVerify: false, ...trusted },
    { name: 'u', token: 'secret' },
  );
  return {
    url,
    config,
    execs,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const channel = { out: 1, errors: 2, status: 3 };

function answer(
  request: http.IncomingMessage,
  socket: Duplex,
  { stdout = [], stderr, exitCode = 0, refused, ending }: ExecAnswer,
): void {
  socket.on('error', () => {});
  if (refused !== undefined) {
    socket.end(`HTTP/1.1 ${refused} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    return;
  }
  // RFC 6455, section 4.2.2.
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n\r\n`,
  );
  for (const text of stdout) send(socket, channel.out, text);
  if (stderr !== undefined) send(socket, channel.errors, stderr);
  if (ending === 'break') socket.end();
  if (ending !== undefined) return;
  const causes = [{ reason: 'ExitCode', message: String(exitCode) }];
  const failure = {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes },
    message: `exit code ${exitCode}`,
  };
  send(socket, channel.status, JSON.stringify(exitCode === 0 ? { status: 'Success' } : failure));
}

/** Sends one binary frame; its first byte is the channel. */
function send(socket: Duplex, to: number, text: string): void {
  const payload = Buffer.concat([Buffer.from([to]), Buffer.from(text)]);
  const length = Buffer.alloc(9);
  length.writeUInt8(127, 0);
  length.writeBigUInt64BE(BigInt(payload.length), 1);
  socket.write(Buffer.concat([Buffer.from([0x82]), length, payload]));
}
