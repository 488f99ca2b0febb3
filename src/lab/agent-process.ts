import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError } from './error.ts';
import { enterNamespace } from './network-namespace.ts';
import { relayHost, relayPort } from './relay.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface AgentOptions {
  readonly node: string;
  /** The node's network namespace. */
  readonly namespace: string;
  /** Holds kubeconfig, socket and log. */
  readonly directory: string;
  /** CNI result cache of the node's container runtime. */
  readonly cniCacheDirectory: string;
  /** Socket for the CNI plugin of Postern. */
  readonly cniSocket?: string | undefined;
  /** Unix socket of the API server. */
  readonly apiSocket: string;
  /** Settings that the lab's network needs, as variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Content of a kubeconfig for the server behind the relay. */
  readonly kubeconfig: string;
}

export interface StartOptions {
  /** Flags that override those of the lab. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The agent's page `/applied`; resources are digests (lib/object-digest.ts). */
export interface Applied {
  readonly node: string;
  /** Missing until the first apply, as are the resources. */
  readonly revision?: number;
  readonly resources?: Readonly<Record<string, string>>;
  /** Number of addresses that are denied until connections are deleted. */
  readonly unflushed?: number;
}

/** `postern agent` on one node. It reaches the API server through a relay on the node's loopback. */
export class AgentProcess {
  readonly #options: AgentOptions;
  /** Unix socket of the agent's HTTP server. */
  readonly socket: string;
  readonly #log: string;
  #relay: ChildProcess | undefined;
  #child: ChildProcess | undefined;
  #isWanted = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.socket = join(options.directory, 'agent.sock');
    this.#log = join(options.directory, 'agent.log');
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** True after `start` until `stop`, also after a crash. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  async start({ args = [], env = {} }: StartOptions = {}): Promise<void> {
    if (this.isRunning) throw new LabError('state', `the agent of ${this.#options.node} is running`);
    const { node, namespace, directory, cniCacheDirectory, cniSocket } = this.#options;
    await mkdir(directory, { recursive: true });
    const kubeconfig = join(directory, 'kubeconfig');
    await writeFile(kubeconfig, this.#options.kubeconfig, { mode: 0o600 });
    this.#isWanted = true;
    this.#startRelay();
    const settings = {
      'node-name': node,
      kubeconfig,
      listen: `unix:${this.socket}`,
      'cni-cache-dir': cniCacheDirectory,
      ...(cniSocket !== undefined && { 'cni-socket': cniSocket }),
    };
    const command = [main, 'agent', ...Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value])];
    const log = openSync(this.#log, 'a');
    const variables = Object.entries({ ...this.#options.env, ...env }).map(([name, value]) => `${name}=${value}`);
    const line = [...variables, process.execPath, ...command, ...args];
    // A session of its own: Ctrl-C in the terminal must reach only the lab, which then stops its agents.
    this.#child = spawn(...enterNamespace(namespace, 'env', line), { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
  }

  /** Resolves when the process has exited. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', killAfterMs = 5000): Promise<void> {
    this.#isWanted = false;
    const child = this.#child;
    if (!child || !this.isRunning) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    await ended;
    clearTimeout(timer);
  }

  async restart(options?: StartOptions): Promise<void> {
    await this.stop();
    await this.start(options);
  }

  /** Cuts the agent off from the API server, until `reconnect`. */
  async disconnect(): Promise<void> {
    const relay = this.#relay;
    this.#relay = undefined;
    if (!relay || relay.exitCode !== null || relay.signalCode !== null) return;
    const ended = once(relay, 'exit');
    signalGroup(relay, 'SIGKILL');
    await ended;
  }

  /** Stops the traffic from the API server on open connections, until `unstall`. */
  stall(): void {
    this.#signalRelay('SIGSTOP');
  }

  unstall(): void {
    this.#signalRelay('SIGCONT');
  }

  reconnect(): void {
    this.#startRelay();
  }

  async end(): Promise<void> {
    await this.stop('SIGTERM', 2000);
    await this.disconnect();
  }

  applied(): Promise<Applied | undefined> {
    return this.#get('/applied').then((text) => (text === undefined ? undefined : (JSON.parse(text) as Applied)));
  }

  metrics(): Promise<string | undefined> {
    return this.#get('/metrics');
  }

  /** What the agent has kept of who talks to whom, as JSON; `undefined` if it does not answer, or keeps nothing. */
  flows(): Promise<string | undefined> {
    return this.#get('/flows');
  }

  async isReady(): Promise<boolean> {
    return (await this.#get('/readyz')) !== undefined;
  }

  log(): Promise<string> {
    return readFile(this.#log, 'utf8').catch(() => '');
  }

  async logTail(lines = 5): Promise<string> {
    const log = (await this.log()).trimEnd();
    return log === '' ? 'its log is empty' : log.split('\n').slice(-lines).join('\n');
  }

  #signalRelay(signal: NodeJS.Signals): void {
    if (this.#relay) signalGroup(this.#relay, signal);
  }

  #startRelay(): void {
    if (this.#relay) return;
    const args = [
      `TCP-LISTEN:${relayPort},bind=${relayHost},fork,reuseaddr`,
      `UNIX-CONNECT:${this.#options.apiSocket}`,
    ];
    this.#relay = spawn(...enterNamespace(this.#options.namespace, 'socat', args), { stdio: 'ignore', detached: true });
  }

  /** `undefined` if the agent does not answer, or not with status 200. */
  #get(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const asked = request({ socketPath: this.socket, path, timeout: answerMs }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(response.statusCode === 200 ? text : undefined));
        response.on('error', () => resolve(undefined));
      });
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => resolve(undefined));
      asked.end();
    });
  }
}

/** An agent that starts on a slow machine answers late. */
const answerMs = 10_000;

/** socat forks for every connection. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(-pid, signal);
}
