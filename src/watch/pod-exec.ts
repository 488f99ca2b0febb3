import { Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import { listAt, textAt } from '../lib/json.ts';
import { ApiError } from './api-error.ts';

export interface PodCommand {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  readonly signal: AbortSignal;
}

export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The limit for each output stream, so that endless output cannot fill the memory. */
const maxBytes = 64 << 20;

/**
 * Runs a command in a container with the rights of the kubeconfig's user. Resolves with its exit code and output, else rejects with an ApiError. If
 * the signal aborts, it rejects with the signal's reason and closes the connection.
 */
export async function execInPod(config: KubeConfig, wanted: PodCommand): Promise<CommandOutcome> {
  const { namespace, pod, container, command, signal } = wanted;
  const { Exec } = await import('@kubernetes/client-node');
  const exec = new Exec(await prepare(config));
  const { promise, resolve, reject } = Promise.withResolvers<CommandOutcome>();
  const abort = (): void => reject(signal.reason);
  const overflow = (): void => reject(new ApiError('malformed', `the command printed more than ${maxBytes >> 20} MB`));
  const [stdout, stderr] = [new OutputBuffer(overflow), new OutputBuffer(overflow)];
  const finished = (status: unknown): void => {
    const exitCode = exitCodeOf(status);
    if (exitCode !== undefined) resolve({ exitCode, stdout: stdout.text, stderr: stderr.text });
    else reject(new ApiError('refused', textAt(status, 'message') ?? 'the command did not run'));
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', abort, { once: true });
  const connecting = exec.exec(namespace, pod, container, [...command], stdout, stderr, null, false, finished);
  connecting.then(
    (socket) => {
      const broken = new ApiError('unreachable', 'the connection broke before the command had ended');
      socket.on('close', () => reject(broken));
      // The command may have ended before the connection was reported.
      const end = (): void => socket.terminate();
      promise.then(end, end);
    },
    (error: unknown) => reject(connectError(error)),
  );
  return promise.finally(() => signal.removeEventListener('abort', abort));
}

class OutputBuffer extends Writable {
  readonly #chunks: Buffer[] = [];
  readonly #overflow: () => void;
  #size = 0;

  constructor(overflow: () => void) {
    super();
    this.#overflow = overflow;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.#size += chunk.length;
    if (this.#size > maxBytes) this.#overflow();
    else this.#chunks.push(chunk);
    done();
  }
}

/** Reads the exit code from the Status object that ends the stream (remotecommand protocol v4 and later). */
function exitCodeOf(status: unknown): number | undefined {
  if (textAt(status, 'status') === 'Success') return 0;
  const cause = listAt(status, 'details', 'causes').find((each) => textAt(each, 'reason') === 'ExitCode');
  const code = Number(textAt(cause, 'message'));
  return cause !== undefined && Number.isInteger(code) ? code : undefined;
}

/** client-node reports a refused connection only as the error text of its WebSocket. */
function connectError(error: unknown): ApiError {
  // It is an ErrorEvent or an Error.
  const { message = 'no connection' } = error as { message?: string };
  const status = Number(/^Unexpected server response: ([0-9]{3})$/.exec(message)?.[1]);
  if (Number.isNaN(status)) return new ApiError('unreachable', message, { cause: error });
  const reasons: Readonly<Record<number, string>> = {
    401: 'the API server rejects your credentials',
    // A WebSocket starts with a GET, which needs the verb get, and from Kubernetes 1.35 on create too (kubernetes pull request 134577).
    403: 'not allowed: you need the verbs get and create on pods/exec',
    404: 'the pod does not exist',
  };
  return new ApiError('refused', reasons[status] ?? `the API server answered with status ${status}`, {
    status,
    cause: error,
  });
}

/** Removes credentials from a connection without TLS. Also removes a trailing slash of the server, which client-node would double. */
async function prepare(config: KubeConfig): Promise<KubeConfig> {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster) throw new ApiError('kubeconfig', 'the kubeconfig names no cluster');
  const server = cluster.server.replace(/\/$/, '');
  const { KubeConfig } = await import('@kubernetes/client-node');
  const prepared = new KubeConfig();
  if (server.startsWith('https://')) {
    prepared.loadFromClusterAndUser({ ...cluster, server }, user ?? { name: 'anonymous' });
  } else {
    // client-node requires skipTLSVerify for a server without TLS.
    prepared.loadFromClusterAndUser({ ...cluster, server, skipTLSVerify: true }, { name: 'anonymous' });
  }
  return prepared;
}
