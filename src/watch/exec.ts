import { Writable } from 'node:stream';
import type { KubeConfig, V1Status } from '@kubernetes/client-node';
import { ApiError } from './api-error.ts';

export interface ExecTarget {
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
}

/**
 * Runs a program in a container by `pods/exec`, which the user must be allowed, and resolves with what it prints. Rejects with an ApiError if it
 * cannot be run, ends with another exit code than 0, or says nothing for too long.
 */
export async function runInPod(
  config: KubeConfig,
  { namespace, name, container }: ExecTarget,
  command: readonly string[],
  { silenceMs, finding = 0 }: { readonly silenceMs: number; readonly finding?: number },
): Promise<string> {
  const { Exec } = await import('@kubernetes/client-node');
  const [out, errors] = [new Collector(), new Collector()];
  const pod = `pod ${namespace}/${name}`;
  let finish: (status: V1Status) => void = () => {};
  const finished = new Promise<V1Status>((resolve) => (finish = resolve));
  const program = new Exec(await prepare(config));
  const connecting = program
    .exec(namespace, name, container, [...command], out, errors, null, false, finish)
    .catch((cause: unknown) => {
      throw refusal(cause, pod);
    });
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiError('silent', `nothing came from ${pod} for ${silenceMs} ms`)), silenceMs);
    for (const stream of [out, errors]) stream.heard = () => timer?.refresh();
  });
  // Whoever loses the race below must not end the process.
  for (const promise of [connecting, silent]) promise.catch(() => {});
  try {
    const socket = await Promise.race([connecting, silent]);
    const closed = new Promise<never>((_, reject) => {
      socket.addEventListener('close', () => reject(new ApiError('unreachable', `the connection to ${pod} broke`)));
    });
    closed.catch(() => {});
    const status = await Promise.race([finished, closed, silent]);
    socket.close();
    if (status.status === 'Success' || exitCodeOf(status) === finding) return out.text;
    const said = errors.text.trim() || status.message || 'it failed';
    throw new ApiError('refused', `${command.slice(0, 3).join(' ')} in ${pod}: ${said}`);
  } finally {
    clearTimeout(timer);
    void connecting.then((socket) => socket.close()).catch(() => {});
  }
}

function exitCodeOf({ details }: V1Status): number | undefined {
  const cause = details?.causes?.find(({ reason }) => reason === 'ExitCode');
  return cause?.message === undefined ? undefined : Number(cause.message);
}

/** Credentials are sent over TLS only, as everywhere in this room. And client-node would write two slashes after a path that ends with one. */
async function prepare(config: KubeConfig): Promise<KubeConfig> {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster) throw new ApiError('kubeconfig', 'the kubeconfig names no cluster');
  const server = cluster.server.replace(/\/$/, '');
  const { KubeConfig } = await import('@kubernetes/client-node');
  const prepared = new KubeConfig();
  if (server.startsWith('https://'))
    prepared.loadFromClusterAndUser({ ...cluster, server }, user ?? { name: 'nobody' });
  // Without TLS there is nothing to verify, and client-node wants to be told so.
  else prepared.loadFromClusterAndUser({ ...cluster, server, skipTLSVerify: true }, { name: 'nobody' });
  return prepared;
}

/** A handshake that fails tells no more than its status. */
function refusal(cause: unknown, pod: string): ApiError {
  const message = String((cause as { message?: unknown } | null)?.message ?? cause);
  const status = Number(/response: ([0-9]+)/.exec(message)?.[1]);
  if (Number.isNaN(status)) return new ApiError('unreachable', `${pod}: ${message}`, { cause });
  const why = [401, 403].includes(status)
    ? `you may not use pods/exec there (${status}): it takes the verbs get and create`
    : `status ${status}`;
  return new ApiError('refused', `${pod}: ${why}`, { status, cause });
}

class Collector extends Writable {
  readonly #chunks: Buffer[] = [];
  heard: () => void = () => {};

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    this.heard();
    done();
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
