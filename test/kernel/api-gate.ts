import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';

const tcpPort = 6444;

/** A way from a node to the API server on which requests for one resource wait until it is opened, or lists are empty. */
export class ApiGate {
  /** For the agent of that node. */
  readonly kubeconfig: string;
  readonly #apiSocket: string;
  readonly #server: Server;
  #relay: ChildProcess | undefined;
  readonly #waiting: (() => void)[] = [];
  #held: string | undefined;
  #empty: ReadonlySet<string> = new Set();

  private constructor(lab: Lab, node: string) {
    this.kubeconfig = join(lab.state.nodeDirectory(node), 'gate.kubeconfig');
    this.#apiSocket = lab.state.apiSocket;
    this.#server = createServer((asked, response) => this.#pass(asked, response));
  }

  static async create(lab: Lab, node: string): Promise<ApiGate> {
    const gate = new ApiGate(lab, node);
    const socket = join(lab.state.nodeDirectory(node), 'gate.sock');
    gate.#server.listen(socket);
    await once(gate.#server, 'listening');
    await writeFile(gate.kubeconfig, kubeconfigText(`http://127.0.0.1:${tcpPort}`));
    const args = [`TCP-LISTEN:${tcpPort},bind=127.0.0.1,fork,reuseaddr`, `UNIX-CONNECT:${socket}`];
    const command = enterNamespace(lab.names.node(node), 'socat', args);
    gate.#relay = spawn(...command, { stdio: 'ignore', detached: true });
    return gate;
  }

  /** As `pods`. */
  hold(resource: string): void {
    this.#held = resource;
  }

  /** As a data store that was lost: it knows none of these. */
  empty(...resources: readonly string[]): void {
    this.#empty = new Set(resources);
  }

  open(): void {
    this.#held = undefined;
    this.#empty = new Set();
    for (const go of this.#waiting.splice(0)) go();
  }

  close(): void {
    // The group: socat forks for every connection.
    if (this.#relay?.pid !== undefined) process.kill(-this.#relay.pid, 'SIGKILL');
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #pass(asked: IncomingMessage, response: ServerResponse): void {
    const { url = '/', method, headers } = asked;
    const go = (): void => {
      const sent = request({ socketPath: this.#apiSocket, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      sent.on('error', () => response.destroy());
      response.on('close', () => sent.destroy());
      asked.pipe(sent);
    };
    const resource = url.split('?')[0]!.split('/').at(-1)!;
    if (this.#empty.has(resource) && !url.includes('watch=1')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
    } else if (this.#held === resource) this.#waiting.push(go);
    else go();
  }
}
