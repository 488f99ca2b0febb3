import { listAt, numberAt, textAt } from '../../lib/json.ts';
import { readJson, type ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import type { Attempt } from '../connect/attempt.ts';
import type { Destinations } from '../connect/attempts.ts';
import { readAttempts } from './attempts-text.ts';
import { ephemeralContainerPatch } from './container.ts';
import { ProbeError } from './probe-error.ts';
import { checkRights, explainRefusal, explainUnreadableLog, type PodName } from './rights.ts';
import { apiSilenceMs } from '../api-silence.ts';

interface Options {
  readonly client: ApiClient;
  readonly pod: PodName;
  readonly image: string;
  /** Container name; the pod must not have it yet. */
  readonly container: string;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
  /** Called between two requests. Resolves to false to stop waiting. */
  readonly pause: () => Promise<boolean>;
}

/** Waiting reasons that do not end without a change of the image or the node. */
const hopeless =
  /^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|CreateContainer(Config)?Error|RunContainerError)$/;

/**
 * Tries the connection in an ephemeral container of the pod. Rejects with a ProbeError, or with an ApiError if the API server does
 * not answer.
 */
export async function probeFromPod(to: Destinations, options: Options): Promise<Attempt[]> {
  const { client, pod, image, container, signal, note } = options;
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
  await checkRights(client, pod, signal);
  const patch = ephemeralContainerPatch(container, image, to);
  try {
    await client.write('patch', `${path}/ephemeralcontainers`, patch, { signal, silenceMs: apiSilenceMs });
  } catch (error) {
    throw error instanceof ApiError && error.status !== undefined ? explainRefusal(error, pod, image) : error;
  }
  note(
    `added the ephemeral container ${container} (image ${image}) to pod ${pod.namespace}/${pod.name}: it exits by itself, and stays in the pod's spec until the pod is deleted`,
  );
  const exitCode = await waitUntilEnded(path, options);
  let log: string;
  try {
    log = await readText(await client.get(`${path}/log`, { query: { container }, signal, silenceMs: apiSilenceMs }));
  } catch (error) {
    throw error instanceof ApiError && error.status !== undefined ? explainUnreadableLog(error, pod, container) : error;
  }
  return readAttempts(
    log,
    `container ${container} (image ${image}, exit code ${exitCode}; if this image has no "postern connect --once", set --image)`,
  );
}

/** Resolves to the container's exit code. */
async function waitUntilEnded(
  path: string,
  { client, pod, image, container, signal, pause }: Options,
): Promise<number> {
  for (;;) {
    const object = await readJson(await client.get(path, { query: {}, signal, silenceMs: apiSilenceMs }));
    const status = listAt(object, 'status', 'ephemeralContainerStatuses').find(
      (each) => textAt(each, 'name') === container,
    );
    const exitCode = numberAt(status, 'state', 'terminated', 'exitCode');
    if (exitCode !== undefined) return exitCode;
    const [reason, message] = ['reason', 'message'].map((field) => textAt(status, 'state', 'waiting', field) ?? '');
    const what = `container ${container} of pod ${pod.namespace}/${pod.name}`;
    if (hopeless.test(reason!)) {
      throw new ProbeError(
        `${what} cannot run image ${image}: ${reason} ${message}. The kubelet retries until the pod is deleted; set --image to an image that the node can pull`,
      );
    }
    if (!(await pause())) {
      const why = status === undefined ? 'the kubelet has not started it' : reason || 'it still runs';
      throw new ProbeError(
        `${what} has not exited in time (${why}): raise --timeout, or see "kubectl -n ${pod.namespace} describe pod ${pod.name}"`,
      );
    }
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
