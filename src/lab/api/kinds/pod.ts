import { isJsonObject, listAt, type JsonObject } from '../object.ts';
import { validatePod, validatePodUpdate } from '../validation/pod.ts';
import type { KindRules } from './kind-rules.ts';

/** pkg/apis/core/v1/defaults.go and pkg/registry/core/pod/strategy.go. */
export const podRules: KindRules = {
  prepareCreate(pod) {
    pod.status = { phase: 'Pending', qosClass: 'BestEffort' };
  },
  setDefaults(pod) {
    pod.spec ??= {};
    setPodSpecDefaults(pod.spec as JsonObject);
  },
  validate: validatePod,
  validateUpdate: validatePodUpdate,
};

export function setPodSpecDefaults(spec: JsonObject): void {
  spec.restartPolicy ??= 'Always';
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.schedulerName ??= 'default-scheduler';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.enableServiceLinks ??= true;
  spec.securityContext ??= {};
  for (const container of [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')]) {
    if (isJsonObject(container)) setContainerDefaults(container, spec.hostNetwork === true);
  }
}

function setContainerDefaults(container: JsonObject, hostNetwork: boolean): void {
  const image = String(container.image ?? '');
  const tag = /:([^/@]+)(@|$)/.exec(image)?.[1];
  const movable = (tag ?? 'latest') === 'latest' && !image.includes('@');
  container.imagePullPolicy ??= movable ? 'Always' : 'IfNotPresent';
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  container.resources ??= {};
  for (const port of listAt(container, 'ports')) {
    if (!isJsonObject(port)) continue;
    port.protocol ??= 'TCP';
    if (hostNetwork) port.hostPort ??= port.containerPort;
  }
}
