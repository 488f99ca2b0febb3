import { listAt, objectAt, textAt } from '../lib/json.ts';
import { parseAddress } from '../model/address.ts';

/** A probe or a lifecycle hook that makes the kubelet send to a host of its own choice. */
export interface ProbeHost {
  /** `namespace/name` */
  readonly pod: string;
  /** `spec.containers[0].livenessProbe.httpGet.host` */
  readonly path: string;
  readonly host: string;
}

/** Where a container can name a host (core/v1: ProbeHandler and LifecycleHandler; what is asked by gRPC is always the pod itself). */
export const hostFields: readonly (readonly string[])[] = [
  ['livenessProbe'],
  ['readinessProbe'],
  ['startupProbe'],
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
].flatMap((handler) => ['httpGet', 'tcpSocket'].map((kind) => [...handler, kind, 'host']));

/**
 * Of a Pod as the API has it. A pod on the host network can send from its node by itself, one that is over has no probes, and a pod that
 * names its own address asks for what it gets anyway.
 */
export function findProbeHosts(pod: unknown): ProbeHost[] {
  const isOver = ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase') ?? '');
  if (isOver || objectAt(pod, 'spec')['hostNetwork'] === true) return [];
  const own = new Set(listAt(pod, 'status', 'podIPs').map((each) => canonical(textAt(each, 'ip') ?? '')));
  const name = `${textAt(pod, 'metadata', 'namespace') ?? ''}/${textAt(pod, 'metadata', 'name') ?? ''}`;
  return ['containers', 'initContainers'].flatMap((list) =>
    listAt(pod, 'spec', list).flatMap((container, index) =>
      hostFields.flatMap((field) => {
        const host = textAt(container, ...field) ?? '';
        const isOwn = host === '' || own.has(canonical(host));
        return isOwn ? [] : [{ pod: name, path: `spec.${list}[${index}].${field.join('.')}`, host }];
      }),
    ),
  );
}

/** Addresses that are the same have the same one; other hosts are as they are. */
function canonical(host: string): string {
  const address = parseAddress(host);
  return address ? `${address.family} ${address.value}` : host;
}
