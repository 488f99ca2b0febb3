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

/** Of one of its streams: an answer that goes on for ever must not fill the memory. */
const maxBytes = 64 << 20;

/**
 * Runs a command in a container, with the rights of the user of the kubeconfig. Resolves with how it ended, else rejects
 * with an ApiError; when the signal aborts, with its reason, and nothing stays open.
 */
export async function execInPod(config: KubeConfig, wanted: PodCommand): Promise<CommandOutcome> {
  const { namespace, pod, container, command, signal } = wanted;
  const { Exec } = await import('@kubernetes/client-node');
  const exec = new Exec(await prepare(config));
  const { promise, resolve, reject } = Promise.withResolvers<CommandOutcome>();
  const abort = (): void => reject(signal.reason);
  const tooMuch = (): void => reject(new ApiError('malformed', 'the command says too much'));
  const [stdout, stderr] = [new Gathered(tooMuch), new Gathered(tooMuch)];
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
      // It may have ended before it counted as begun.
      const end = (): void => socket.terminate();
      promise.then(end, end);
    },
    (error: unknown) => reject(connectError(error)),
  );
  return promise.finally(() => signal.removeEventListener('abort', abort));
}

class Gathered extends Writable {
  readonly #chunks: Buffer[] = [];
  readonly #tooMuch: () => void;
  #size = 0;

  constructor(tooMuch: () => void) {
    super();
    this.#tooMuch = tooMuch;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.#size += chunk.length;
    if (this.#size > maxBytes) this.#tooMuch();
    else this.#chunks.push(chunk);
    done();
  }
}

/** Of the Status that ends the command (remotecommand's v4 and later). */
function exitCodeOf(status: unknown): number | undefined {
  if (textAt(status, 'status') === 'Success') return 0;
  const cause = listAt(status, 'details', 'causes').find((each) => textAt(each, 'reason') === 'ExitCode');
  const code = Number(textAt(cause, 'message'));
  return cause !== undefined && Number.isInteger(code) ? code : undefined;
}

/** client-node tells of a refusal with the text of its WebSocket alone. */
function connectError(error: unknown): ApiError {
  // An ErrorEvent, or an Error.
  const { message = 'no connection' } = error as { message?: string };
  const status = Number(/^Unexpected server response: ([0-9]{3})$/.exec(message)?.[1]);
  if (Number.isNaN(status)) return new ApiError('unreachable', message, { cause: error });
  const reasons: Readonly<Record<number, string>> = {
    401: 'the API server does not know you',
    // A WebSocket begins with a GET: for that it is get, and from 1.35 on create too (kubernetes pull request 134577).
    403: 'you may not: it needs the rights to get and to create pods/exec',
    404: 'the pod is not there (any more)',
  };
  return new ApiError('refused', reasons[status] ?? `the API server answers ${status}`, { status, cause: error });
}

/** Credentials go over TLS only. And client-node would write two slashes after a path that ends with one. */
async function prepare(config: KubeConfig): Promise<KubeConfig> {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster) throw new ApiError('kubeconfig', 'the kubeconfig names no cluster');
  const server = cluster.server.replace(/\/$/, '');
  const { KubeConfig } = await import('@kubernetes/client-node');
  const prepared = new KubeConfig();
  if (server.startsWith('https://')) {
    prepared.loadFromClusterAndUser({ ...cluster, server }, user ?? { name: 'nobody' });
  } else {
    // Without TLS there is nothing to verify, and client-node wants to be told so.
    prepared.loadFromClusterAndUser({ ...cluster, server, skipTLSVerify: true }, { name: 'nobody' });
  }
  return prepared;
}
