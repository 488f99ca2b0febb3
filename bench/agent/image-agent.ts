import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import type { FlowHistory } from '../../src/flows/kept-flow.ts';
import { readHistory } from '../../src/flows/read-history.ts';
import { imageEnvironment, imageNodeFlags } from '../image-flags.ts';

export interface AgentOptions {
  /** Path of the image's bundled program. */
  readonly program: string;
  readonly nodeName: string;
  readonly namespace: string;
  readonly kubeconfig: string;
  readonly cacheDirectory: string;
  readonly stateDirectory: string;
  /** Holds socket and log. */
  readonly directory: string;
  /** PATH of the agent. */
  readonly path: string;
}

/** Memory of a process in MB, from /proc. */
export interface ProcessMemory {
  readonly resident: number;
  readonly peak: number;
  /** Anonymous memory. File mappings are shared between processes and can be dropped. */
  readonly anonymous: number;
}

const askEveryMs = 10;
const patienceMs = 120_000;

/** The agent as in the image, in the network namespace of a node. */
export class ImageAgent {
  readonly #child: ChildProcess;
  readonly #started = performance.now();
  readonly #socket: string;
  readonly #log: string;
  readonly #program: readonly string[];

  constructor(options: AgentOptions) {
    const { program, nodeName, namespace, kubeconfig, cacheDirectory, stateDirectory, directory, path } = options;
    this.#socket = join(directory, 'agent.sock');
    this.#log = join(directory, 'agent.log');
    const settings = {
      'node-name': nodeName,
      kubeconfig,
      listen: `unix:${this.#socket}`,
      'cni-cache-dir': cacheDirectory,
      'state-dir': stateDirectory,
    };
    const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]);
    this.#program = [process.execPath, ...imageNodeFlags, program];
    const line = [...this.#program, 'agent', ...flags];
    const log = openSync(this.#log, 'w');
    this.#child = spawn(...enterNamespace(namespace, line[0]!, line.slice(1)), {
      stdio: ['ignore', log, log],
      env: { ...imageEnvironment, PATH: path },
    });
    closeSync(log);
  }

  /** The command line that asks this agent; other commands run it in the agent's pod. */
  question(subcommand: string): string[] {
    return [...this.#program, 'node', subcommand, '--listen', `unix:${this.#socket}`, '-o', 'json'];
  }

  /** Seconds from the start of the process until /readyz succeeds. */
  async ready(): Promise<number> {
    while (!(await this.#isReady())) {
      const seconds = (performance.now() - this.#started) / 1000;
      if (this.#child.exitCode !== null || seconds * 1000 > patienceMs) {
        const said = (await readFile(this.#log, 'utf8')).trimEnd().split('\n').slice(-5).join('\n');
        throw new Error(`the agent was not ready after ${seconds.toFixed(1)} s:\n${await this.#checks()}\n${said}`);
      }
      await wait(askEveryMs);
    }
    return (performance.now() - this.#started) / 1000;
  }

  async memory(): Promise<ProcessMemory> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const megabytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)![1]) / 1024;
    return { resident: megabytes('VmRSS'), peak: megabytes('VmHWM'), anonymous: megabytes('RssAnon') };
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Response time of /healthz in milliseconds. Without an answer, the time until it gives up. */
  async health(): Promise<number> {
    const asked = performance.now();
    const took = (): number => performance.now() - asked;
    while ((await this.#get('/healthz'))?.status !== 200 && took() < patienceMs) await wait(askEveryMs);
    return took();
  }

  /** The object versions that the kernel's rules have, by resource; `undefined` if the agent does not answer. */
  async applied(): Promise<unknown> {
    const answer = await this.#get('/applied');
    return answer && (JSON.parse(answer.text) as { resources?: unknown }).resources;
  }

  /** What the agent keeps of who talks to whom. Throws if it does not answer. */
  async flows(): Promise<FlowHistory> {
    const answer = await this.#get('/flows');
    if (!answer) throw new Error('the agent does not answer at /flows');
    return readHistory(JSON.parse(answer.text));
  }

  /** Throws if the agent does not answer. Not a number if it has no such series, or not yet. */
  async metric(series: string): Promise<number> {
    const answer = await this.#get('/metrics');
    if (!answer) throw new Error('the agent does not answer at /metrics');
    const line = answer.text.split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  }

  /** Stops the agent. The rules stay. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }

  async #isReady(): Promise<boolean> {
    return (await this.#get('/readyz'))?.status === 200;
  }

  async #checks(): Promise<string> {
    return (await this.#get('/readyz?verbose'))?.text ?? 'it does not answer';
  }

  #get(path: string): Promise<{ status: number; text: string } | undefined> {
    return new Promise((resolve) => {
      // A connection of its own: the agent closes one that was idle while the bench computed a forecast.
      const asked = request({ socketPath: this.#socket, path, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', () => resolve(undefined));
      });
      asked.on('error', () => resolve(undefined));
      asked.end();
    });
  }
}
