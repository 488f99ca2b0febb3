import { isJsonObject, objectAt } from '../../lib/json.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { apiSilenceMs } from '../api-silence.ts';
import { ProbeError } from './probe-error.ts';

interface Right {
  readonly verb: string;
  readonly subresource: string;
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** All that a probe does in the pod's namespace. */
const needed: readonly Right[] = [
  { verb: 'get', subresource: '' },
  { verb: 'patch', subresource: 'ephemeralcontainers' },
  { verb: 'get', subresource: 'log' },
];

/**
 * Asks the API server whether the user has every right that a probe needs, before anything is written: what is written stays. Throws a
 * ProbeError that names those that are missing. Where the question itself is refused, the probe shall find out.
 */
export async function checkRights(client: ApiClient, pod: PodName, signal: AbortSignal): Promise<void> {
  const missing: Right[] = [];
  for (const right of needed) {
    const resourceAttributes = {
      namespace: pod.namespace,
      name: pod.name,
      verb: right.verb,
      resource: 'pods',
      subresource: right.subresource,
    };
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    };
    try {
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const answer = await client.write('create', path, review, { signal, silenceMs: apiSilenceMs });
      if (isJsonObject(answer) && objectAt(answer, 'status')['allowed'] === false) missing.push(right);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'refused')) throw error;
      return;
    }
  }
  if (missing.length > 0) throw missingRights(pod, missing, 'nothing was written');
}

function missingRights({ namespace }: PodName, missing: readonly Right[], state: string): ProbeError {
  const names = missing.map(({ verb, subresource }) => `${verb} ${resourceOf(subresource)}`);
  // kubectl makes every combination of what it is given, so a role of all of them would give too much.
  const roles = missing.map(
    ({ verb, subresource }) =>
      `  kubectl -n ${namespace} create role postern-probe-${subresource || 'pods'} --verb=${verb} --resource=${resourceOf(subresource)}`,
  );
  return new ProbeError(
    `you have no right to ${names.join(', nor to ')} in namespace ${namespace}; ${state}. Who may give it makes a Role and binds it to you:\n${roles.join('\n')}`,
  );
}

function resourceOf(subresource: string): string {
  return subresource === '' ? 'pods' : `pods/${subresource}`;
}

/** Says what a refusal of the patch is: of Pod Security, of a right, of another admission, or of the object. */
export function explainRefusal(error: ApiError, pod: PodName, image: string): ProbeError {
  const { message, status } = error;
  const title = `pod ${pod.namespace}/${pod.name}`;
  if (status === 403 && message.includes('violates PodSecurity')) {
    return new ProbeError(
      `Pod Security of namespace ${pod.namespace} refuses the container: ${message}. The container itself asks for nothing and meets "restricted"; ${title} does not, and is older than that label. Nothing was written. Probe from a pod that meets it, or ask "postern explain"`,
      { cause: error },
    );
  }
  if (status === 403 && message.includes('pods/ephemeralcontainers')) {
    return missingRights(pod, [{ verb: 'patch', subresource: 'ephemeralcontainers' }], 'nothing was written');
  }
  if (status === 404)
    return new ProbeError(`${title} is gone, or this cluster knows no ephemeral containers (1.25 is needed)`, {
      cause: error,
    });
  return new ProbeError(`the cluster refuses an ephemeral container of image ${image} in ${title}: ${message}`, {
    cause: error,
  });
}

/** The probe has taken place, and its answer cannot be read. */
export function explainUnreadableLog(error: ApiError, pod: PodName, container: string): ProbeError {
  const state = `the probe has run, and its answer is in "kubectl -n ${pod.namespace} logs ${pod.name} -c ${container}"`;
  if (error.status === 403) return missingRights(pod, [{ verb: 'get', subresource: 'log' }], state);
  return new ProbeError(`cannot read the log (${error.message}); ${state}`, { cause: error });
}
