import { clusterObjects } from '../cluster/objects.ts';
import type { Random } from '../cluster/random.ts';
import type { Shape } from '../cluster/shapes.ts';

/** A Pod as the API server has it: what is changed of it here, and the rest unread. */
export interface PodObject {
  readonly kind: 'Pod';
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

let version = 10_000_000;

function changed(pod: PodObject, { labels = pod.metadata.labels, podIPs = pod.status.podIPs }): PodObject {
  const metadata = { ...pod.metadata, labels, resourceVersion: String(++version) };
  return { ...pod, metadata, status: { ...pod.status, podIPs } };
}

/** The same in a new version. */
export function again(pod: PodObject): PodObject {
  return changed(pod, {});
}

/** With none of the labels that policies of the synthetic cluster ask for. */
export function withoutLabels(pod: PodObject): PodObject {
  const { 'pod-template-hash': hash = '' } = pod.metadata.labels;
  return changed(pod, { labels: { 'pod-template-hash': hash } });
}

/** With another value of a label that no policy asks for. */
export function relabelled(pod: PodObject, random: Random): PodObject {
  return changed(pod, { labels: { ...pod.metadata.labels, 'pod-template-hash': random.hex(8) } });
}

export function withAddresses(pod: PodObject, addresses: readonly string[]): PodObject {
  return changed(pod, { podIPs: addresses.map((ip) => ({ ip })) });
}

/** The remote pods of the cluster that are wanted, by `namespace/name`. */
export function remotePods(shape: Shape, wanted: ReadonlySet<string>): PodObject[] {
  return clusterObjects(shape)
    .filter((object): object is PodObject => (object as { kind?: string }).kind === 'Pod')
    .filter(({ metadata, spec }) => {
      return spec.nodeName !== shape.nodeName && wanted.has(`${metadata.namespace}/${metadata.name}`);
    })
    .toArray();
}
