import { isJsonObject, listAt, textAt } from './api/object.ts';
import type { ApiObject, JsonObject, ObjectKey } from './api/object.ts';
import type { Protocol } from '../model/policy.ts';
import type { ServedPort } from './pod-process.ts';

export interface ContainerPort extends ServedPort {
  readonly name: string | undefined;
  readonly hostPort: number | undefined;
  readonly hostIP: string | undefined;
}

/** Ports of containers and of sidecars (init containers with restartPolicy Always). */
export function containerPorts(pod: ApiObject): ContainerPort[] {
  const containers = [
    ...listAt(pod, 'spec', 'containers'),
    ...listAt(pod, 'spec', 'initContainers').filter((each) => textAt(each, 'restartPolicy') === 'Always'),
  ];
  return containers.flatMap((container) => listAt(container, 'ports').filter(isJsonObject).map(portOf));
}

/** Ports without duplicates. */
export function servedPorts(pod: ApiObject): ServedPort[] {
  const distinct = new Map(
    containerPorts(pod).map(({ protocol, port }) => [`${protocol}/${port}`, { protocol, port }]),
  );
  return [...distinct.values()];
}

/** Bits per second, for the capability `bandwidth`; the bursts are those of containerd (toCNIBandWidth). */
export function bandwidthOf({ metadata: { annotations = {} } }: ApiObject): Record<string, number> | undefined {
  const burst = 2 ** 32 - 1;
  const directions = ['ingress', 'egress'] as const;
  const limits = directions.flatMap((direction) => {
    const rate = readRate(annotations[`kubernetes.io/${direction}-bandwidth`]);
    return rate === undefined ? [] : Object.entries({ [`${direction}Rate`]: rate, [`${direction}Burst`]: burst });
  });
  return limits.length === 0 ? undefined : Object.fromEntries(limits);
}

const multiples: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** A quantity with a decimal suffix. */
function readRate(text: string | undefined): number | undefined {
  const [, digits, suffix] = /^([0-9]+)([kMG]?)$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * multiples[suffix!]!;
}

export function isHostNetwork(pod: ApiObject): boolean {
  return (pod['spec'] as JsonObject | undefined)?.['hostNetwork'] === true;
}

export function isTerminal(pod: ApiObject): boolean {
  return ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase') ?? '');
}

export function podAddresses(pod: ApiObject): string[] {
  return listAt(pod, 'status', 'podIPs').flatMap((each) => textAt(each, 'ip') ?? []);
}

export function nodeNameOf(pod: ApiObject): string | undefined {
  return (pod['spec'] as { nodeName?: string } | undefined)?.nodeName || undefined;
}

/** `namespace/name` */
export function podKey(pod: ApiObject): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** The inverse of `podKey`. */
export function objectKey(key: string): ObjectKey {
  const [namespace, name] = key.split('/') as [string, string];
  return { namespace, name };
}

function portOf(port: JsonObject): ContainerPort {
  const hostPort = Number(port['hostPort'] ?? 0);
  return {
    name: textAt(port, 'name'),
    protocol: (textAt(port, 'protocol') ?? 'TCP') as Protocol,
    port: Number(port['containerPort']),
    hostPort: hostPort === 0 ? undefined : hostPort,
    hostIP: textAt(port, 'hostIP'),
  };
}
