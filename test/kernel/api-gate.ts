import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';

const tcpPort = 6444;

/** The group of ClusterNetworkPolicy, and its version in the lab. */
const group = 'policy.networking.k8s.io';
const labVersion = 'v1alpha2';

/**
 * A way from a node to the API server. Requests for one resource can wait until the gate is opened. Lists can be empty. ClusterNetworkPolicy can be served in
 * another version, or not at all.
 */
export class ApiGate {
  /** For the agent of that node. */
  readonly kubeconfig: string;
  readonly #apiSocket: string;
  readonly #server: Server;
  #relay: ChildProcess | undefined;
  readonly #waiting: (() => void)[] = [];
  #held: string | undefined;
  #empty: ReadonlySet<string> = new Set();
  #version: string | undefined = labVersion;
  /** Answers with ClusterNetworkPolicies that have not ended: watches. */
  readonly #watches = new Set<ServerResponse>();

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

  /** As after a change of the CustomResourceDefinition: the API server ends all watches. `undefined`: nobody has installed it. */
  serveClusterPolicies(version: string | undefined): void {
    this.#version = version;
    for (const response of this.#watches) response.destroy();
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
    const url = asked.url ?? '/';
    const go = (): void => {
      if (url.startsWith(`/apis/${group}`)) this.#translate(asked, response);
      else this.#forward(asked, url, response, (answer) => answer.pipe(response));
    };
    const resource = url.split('?')[0]!.split('/').at(-1)!;
    if (this.#empty.has(resource) && !url.includes('watch=1')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
    } else if (this.#held === resource) this.#waiting.push(go);
    else go();
  }

  #forward(
    asked: IncomingMessage,
    path: string,
    response: ServerResponse,
    take: (answer: IncomingMessage) => unknown,
  ): void {
    const { method, headers } = asked;
    const sent = request({ socketPath: this.#apiSocket, path, method, headers }, (answer) => {
      // Its length changes with the name of the version.
      const headersOf = { ...answer.headers };
      delete headersOf['content-length'];
      response.writeHead(answer.statusCode!, headersOf);
      take(answer);
    });
    sent.on('error', () => response.destroy());
    response.on('close', () => sent.destroy());
    asked.pipe(sent);
  }

  /** Requests for the group, in the version that is served, and their answers. Those for other versions are refused. */
  #translate(asked: IncomingMessage, response: ServerResponse): void {
    const version = this.#version;
    const path = asked.url!.split('?')[0]!;
    const isGroup = path === `/apis/${group}`;
    if (version === undefined || !(isGroup || `${path}/`.startsWith(`/apis/${group}/${version}/`))) {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end('404 page not found\n');
      return;
    }
    delete asked.headers['accept-encoding'];
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
    this.#forward(asked, asked.url!.replace(version, labVersion), response, async (answer) => {
      try {
        for await (const line of createInterface({ input: answer }))
          response.write(`${line.replaceAll(labVersion, version)}\n`);
        response.end();
      } catch {
        response.destroy();
      }
    });
  }
}
