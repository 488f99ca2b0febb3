import { listAt, objectAt, textAt } from '../lib/json.ts';
import { parseAddress } from '../model/address.ts';

/** A probe or a lifecycle hook that makes the kubelet send to a host of the pod author's choice. */
export interface ProbeHost {
  /** `namespace/name` */
  readonly pod: string;
  /** `spec.containers[0].livenessProbe.httpGet.host` */
  readonly path: string;
  readonly host: string;
}

/** Fields of a container that name a host (core/v1: ProbeHandler and LifecycleHandler). gRPC probes have no host. */
export const hostFields: readonly (readonly string[])[] = [
  ['livenessProbe'],
  ['readinessProbe'],
  ['startupProbe'],
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
].flatMap((handler) => ['httpGet', 'tcpSocket'].map((kind) => [...handler, kind, 'host']));

/**
 * Finds them in a Pod of the API. Skips hostNetwork pods, which can send from the node anyway; finished pods, which have no probes;
 * and hosts that are the pod's own address.
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

/** One text for all spellings of an address; host names stay unchanged. */
function canonical(host: string): string {
  const address = parseAddress(host);
  return address ? `${address.family} ${address.value}` : host;
}
