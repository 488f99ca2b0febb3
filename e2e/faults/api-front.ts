import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Lab } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';

const tcpPort = 6444;

/** A proxy in front of the lab's API server: TLS, one valid bearer token, and streams that can be stalled. */
export class ApiFront {
  /** Kubeconfig of agents, with a token file as in a pod. */
  readonly kubeconfig: string;
  readonly #apiSocket: string;
  readonly #tokenFile: string;
  readonly #server: Server;
  readonly #relays: readonly ChildProcess[];
  readonly #streams = new Set<{ readonly from: IncomingMessage; readonly to: ServerResponse }>();
  #token = 0;
  #refused = 0;

  private constructor(lab: Lab, tls: { readonly key: string; readonly cert: string }) {
    const { directory, apiSocket } = lab.state;
    this.kubeconfig = join(directory, 'front.kubeconfig');
    this.#tokenFile = join(directory, 'front.token');
    this.#apiSocket = apiSocket;
    this.#server = createServer(tls, (asked, response) => this.#pass(asked, response));
    const socket = join(directory, 'front.sock');
    this.#server.listen(socket);
    const args = [`TCP-LISTEN:${tcpPort},bind=127.0.0.1,fork,reuseaddr`, `UNIX-CONNECT:${socket}`];
    this.#relays = lab.plan.nodes.map(({ name }) =>
      spawn(...enterNamespace(lab.names.node(name), 'socat', args), { stdio: 'ignore', detached: true }),
    );
  }

  static async open(lab: Lab): Promise<ApiFront> {
    const [key, cert] = [join(lab.state.directory, 'front.key'), join(lab.state.directory, 'front.crt')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', '/CN=front', '-addext', 'subjectAltName=IP:127.0.0.1'];
    await execa('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', ...subject]);
    const front = new ApiFront(lab, { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') });
    await once(front.#server, 'listening');
    const cluster = { server: `https://127.0.0.1:${tcpPort}`, 'certificate-authority': cert };
    const user = { 'auth-provider': { name: 'tokenFile', config: { tokenFile: front.#tokenFile } } };
    const config = {
      'current-context': 'front',
      clusters: [{ name: 'front', cluster }],
      users: [{ name: 'front', user }],
      contexts: [{ name: 'front', context: { cluster: 'front', user: 'front' } }],
    };
    await writeFile(front.kubeconfig, JSON.stringify(config));
    await front.renewToken();
    return front;
  }

  /** Number of requests with an invalid token. */
  get refused(): number {
    return this.#refused;
  }

  /** Writes the currently valid token to the file. */
  async renewToken(): Promise<void> {
    await writeFile(this.#tokenFile, this.#goodToken);
  }

  /** Makes all tokens of agents invalid, and closes their connections. */
  expireToken(): void {
    this.#token++;
    for (const { from, to } of this.#streams) {
      from.destroy();
      to.destroy();
    }
  }

  /** Stops the data of all open connections without closing them. */
  silence(): void {
    for (const { from, to } of this.#streams) {
      from.unpipe(to);
      // Discards the data that the server still writes.
      from.resume();
    }
  }

  close(): void {
    for (const { pid } of this.#relays) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get #goodToken(): string {
    return `token-${this.#token}`;
  }

  #pass(asked: IncomingMessage, response: ServerResponse): void {
    const { url = '/', method, headers } = asked;
    if (headers.authorization !== `Bearer ${this.#goodToken}`) {
      this.#refused++;
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'Status', code: 401, reason: 'Unauthorized', message: 'Unauthorized' }));
      return;
    }
    const sent = request({ socketPath: this.#apiSocket, path: url, method, headers }, (answer) => {
      const stream = { from: answer, to: response };
      this.#streams.add(stream);
      answer.on('close', () => this.#streams.delete(stream));
      response.writeHead(answer.statusCode!, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    sent.on('error', () => response.destroy());
    response.on('close', () => sent.destroy());
    asked.pipe(sent);
  }
}
