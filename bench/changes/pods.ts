import { clusterObjects } from '../cluster/objects.ts';
import type { Random } from '../cluster/random.ts';
import type { Shape } from '../cluster/shapes.ts';

/** A Pod of the API, with types for the fields that change here. */
export interface PodObject {
  readonly kind: 'Pod';
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly phase: string; readonly podIPs: readonly { readonly ip: string }[] };
}

let version = 10_000_000;

function changed(
  pod: PodObject,
  { labels = pod.metadata.labels, podIPs = pod.status.podIPs, ...metadata }: Partial<Changes>,
): PodObject {
  return {
    ...pod,
    metadata: { ...pod.metadata, ...metadata, labels, resourceVersion: String(++version) },
    status: { ...pod.status, podIPs },
  };
}

interface Changes {
  readonly labels: PodObject['metadata']['labels'];
  readonly podIPs: PodObject['status']['podIPs'];
  readonly deletionTimestamp: string;
}

/** The same pod with a new resourceVersion. */
export function again(pod: PodObject): PodObject {
  return changed(pod, {});
}

/** Removes all labels that policies of the synthetic cluster select. */
export function withoutLabels(pod: PodObject): PodObject {
  const { 'pod-template-hash': hash = '' } = pod.metadata.labels;
  return changed(pod, { labels: { 'pod-template-hash': hash } });
}

/** Changes a label that no policy selects. */
export function relabelled(pod: PodObject, random: Random): PodObject {
  return changed(pod, { labels: { ...pod.metadata.labels, 'pod-template-hash': random.hex(8) } });
}

export function withAddresses(pod: PodObject, addresses: readonly string[]): PodObject {
  return changed(pod, { podIPs: addresses.map((ip) => ({ ip })) });
}

/** The pod before its sandbox exists. */
export function starting(pod: PodObject): PodObject {
  const before = changed(pod, { podIPs: [] });
  return { ...before, status: { ...before.status, phase: 'Pending' } };
}

/** The pod while it ends. */
export function ending(pod: PodObject): PodObject {
  return changed(pod, { deletionTimestamp: '2026-05-04T09:00:00Z' });
}

/** The pods of other nodes with these names (`namespace/name`). */
export function remotePods(shape: Shape, wanted: ReadonlySet<string>): PodObject[] {
  return clusterObjects(shape)
    .filter((object): object is PodObject => (object as { kind?: string }).kind === 'Pod')
    .filter(({ metadata, spec }) => {
      return spec.nodeName !== shape.nodeName && wanted.has(`${metadata.namespace}/${metadata.name}`);
    })
    .toArray();
}
