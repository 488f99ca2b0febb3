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

/** Rights that a probe needs in the pod's namespace. */
const needed: readonly Right[] = [
  { verb: 'get', subresource: '' },
  { verb: 'patch', subresource: 'ephemeralcontainers' },
  { verb: 'get', subresource: 'log' },
];

/**
 * Checks all rights before the probe writes, because an ephemeral container cannot be removed. Throws a ProbeError with the missing
 * rights. If the API server refuses the review, the probe continues without the check.
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
  // One role each: kubectl combines every verb with every resource, so a common role would grant too much.
  const roles = missing.map(
    ({ verb, subresource }) =>
      `  kubectl -n ${namespace} create role postern-probe-${subresource || 'pods'} --verb=${verb} --resource=${resourceOf(subresource)}`,
  );
  return new ProbeError(
    `you may not ${names.join(' or ')} in namespace ${namespace}; ${state}. An administrator can create these Roles and bind them to you:\n${roles.join('\n')}`,
  );
}

function resourceOf(subresource: string): string {
  return subresource === '' ? 'pods' : `pods/${subresource}`;
}

/** Explains why the API server refused the patch: Pod Security, a missing right, another admission plugin, or the object. */
export function explainRefusal(error: ApiError, pod: PodName, image: string): ProbeError {
  const { message, status } = error;
  const title = `pod ${pod.namespace}/${pod.name}`;
  if (status === 403 && message.includes('violates PodSecurity')) {
    return new ProbeError(
      `Pod Security of namespace ${pod.namespace} refuses the container: ${message}. The container itself meets the level "restricted"; ${title} does not, and is older than the label of the namespace. Nothing was written. Probe from a pod that meets the level, or use "postern explain"`,
      { cause: error },
    );
  }
  if (status === 403 && message.includes('pods/ephemeralcontainers')) {
    return missingRights(pod, [{ verb: 'patch', subresource: 'ephemeralcontainers' }], 'nothing was written');
  }
  if (status === 404)
    return new ProbeError(
      `${title} is gone, or this cluster has no ephemeral containers (Kubernetes 1.25 or later is required)`,
      {
        cause: error,
      },
    );
  return new ProbeError(`the cluster refuses an ephemeral container of image ${image} in ${title}: ${message}`, {
    cause: error,
  });
}

/** Explains that the probe has run, but its log cannot be read. */
export function explainUnreadableLog(error: ApiError, pod: PodName, container: string): ProbeError {
  const state = `the probe has run, and its result is in "kubectl -n ${pod.namespace} logs ${pod.name} -c ${container}"`;
  if (error.status === 403) return missingRights(pod, [{ verb: 'get', subresource: 'log' }], state);
  return new ProbeError(`cannot read the log (${error.message}); ${state}`, { cause: error });
}
