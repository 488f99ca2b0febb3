import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Protocol } from '../model/policy.ts';
import { LabError } from './error.ts';
import { enterNamespace } from './network-namespace.ts';

/** The program in a pod: a folder with `__main__.py`. */
export const program = fileURLToPath(new URL('./pod', import.meta.url));

/** Debian's Python, without start-up hooks of the user. */
export const python = '/usr/bin/python3';
/** Isolated mode, no site packages, no bytecode files. */
export const pythonOptions = ['-I', '-S', '-B'];

export interface ServedPort {
  readonly protocol: Protocol;
  readonly port: number;
}

export interface ProbeTarget {
  readonly protocol: Protocol | 'icmp';
  readonly address: string;
  /** Ignored for `icmp`. */
  readonly port: number;
}

/** The identity that answered (for `icmp` the address), or the error: `timeout`, or a name of errno(3). */
export type ProbeAnswer =
  | { readonly identity: string; readonly error?: never }
  | { readonly error: string; readonly identity?: never };

export interface Patience {
  /** Number of attempts, spread over the deadline. */
  readonly tries: number;
  readonly deadlineMs: number;
}

export interface FlowOptions {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
  /** Packets or records per second; a TCP server sends as many back. */
  readonly rate: number;
  /** Payload in bytes, at least 32. */
  readonly size?: number;
  /** UDP: whether the server sends each packet back. */
  readonly echo?: boolean;
}

/** Sent and received packets of one end. Packets are numbered from 0. */
export interface FlowStats {
  readonly sent: number;
  readonly received: number;
  /** Number of different packets among `received`. */
  readonly distinct: number;
  /** Highest received number plus one: `highest - distinct` packets are missing below it. */
  readonly highest: number;
  /** Time since the last packet; null if none arrived. */
  readonly idleMs: number | null;
  /** Why a TCP connection ended (`EOF`, `closed` or a name of errno(3)); null while it is open. */
  readonly closed: string | null;
}

/** A flow in this process: as the end that opened it, and as the end that serves it. */
export interface FlowEnds {
  readonly client: FlowStats | null;
  readonly server: FlowStats | null;
}

type Answer = Record<string, unknown> & { id: number; error?: string };

/** The process behind a pod, node or host of the lab: the program of src/lab/pod in a network namespace. */
export class PodProcess {
  readonly namespace: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Map<number, (answer: Answer | LabError) => void>();
  readonly #ended: Promise<unknown>;
  #lastId = 0;
  #stderr = '';

  /** `command` can run the program outside of this machine's namespaces. */
  constructor(namespace: string, command = enterNamespace(namespace, python, [...pythonOptions, program])) {
    this.namespace = namespace;
    // A session of its own: Ctrl-C in the terminal must reach only the lab.
    this.#child = spawn(...command, { stdio: 'pipe', detached: true });
    this.#child.stdin.on('error', () => {});
    this.#child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (this.#stderr = `${this.#stderr}${text}`.slice(-2000)));
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#settle(answer.id, answer);
    });
    this.#ended = once(this.#child, 'close').then(
      () => this.#fail('ended'),
      (error: unknown) => this.#fail(String(error)),
    );
  }

  /** Resolves when the process listens on every port. Rejects with LabError `input` if it cannot listen on one. */
  async serve(identity: string, ports: readonly ServedPort[]): Promise<void> {
    const { error } = await this.#ask('serve', { identity, ports });
    if (error) throw new LabError('input', `${identity}: cannot listen: ${error}`);
  }

  /** Probes all targets in parallel. Returns answers in the order of the targets. */
  async probe(targets: readonly ProbeTarget[], { tries, deadlineMs }: Patience): Promise<ProbeAnswer[]> {
    const { results } = await this.#ask('probe', { probes: targets, tries, deadlineMs });
    return results as ProbeAnswer[];
  }

  /** Starts to send. For TCP returns the identity that accepted; rejects with LabError `timeout` if none did within 20 s. */
  async openFlow(flow: string, { size = 64, echo = false, ...rest }: FlowOptions): Promise<string | undefined> {
    const { error, identity } = await this.#ask('open', { flow, size, echo, deadlineMs: 20_000, ...rest });
    if (error) throw new LabError('timeout', `flow to ${rest.address} ${rest.protocol}/${rest.port}: ${error}`);
    return identity as string | undefined;
  }

  async flowStats(flow: string): Promise<FlowEnds> {
    return endsOf(await this.#ask('stats', { flow }));
  }

  /** Stops sending. Packets in flight may still arrive. */
  async pauseFlow(flow: string): Promise<FlowEnds> {
    return endsOf(await this.#ask('pause', { flow }));
  }

  /** Sends again at the same rate. */
  async resumeFlow(flow: string): Promise<FlowEnds> {
    return endsOf(await this.#ask('resume', { flow }));
  }

  async closeFlow(flow: string): Promise<FlowEnds> {
    return endsOf(await this.#ask('close', { flow }));
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #ask(op: string, fields: object): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return reject(this.#failure('has ended'));
      this.#waiting.set(id, (answer) => (answer instanceof LabError ? reject(answer) : resolve(answer)));
      this.#child.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    });
  }

  #settle(id: number, answer: Answer | LabError): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(answer);
  }

  #fail(what: string): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, this.#failure(what));
  }

  #failure(what: string): LabError {
    return new LabError(
      'state',
      `the process in ${this.namespace} ${what}${this.#stderr && `: ${this.#stderr.trim()}`}`,
    );
  }
}

function endsOf(answer: Answer): FlowEnds {
  return { client: (answer['client'] as FlowStats) ?? null, server: (answer['server'] as FlowStats) ?? null };
}
