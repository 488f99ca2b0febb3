import { listAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';

/** A running Postern agent. */
export interface InstalledAgent {
  readonly node: string;
  /** Image of its container, which the node has already pulled. */
  readonly image: string;
}

/** Finds the agents among the pods of a cluster, for any Helm release name. */
export function findAgents(objects: readonly JsonObject[]): InstalledAgent[] {
  return objects.flatMap((pod) => {
    if (pod['kind'] !== 'Pod' || textAt(pod, 'metadata', 'labels', 'app.kubernetes.io/name') !== 'postern') return [];
    const isDaemon = listAt(pod, 'metadata', 'ownerReferences').some((owner) => textAt(owner, 'kind') === 'DaemonSet');
    const container = listAt(pod, 'spec', 'containers').find((each) => listAt(each, 'args')[0] === 'agent');
    const image = textAt(container, 'image');
    const node = textAt(pod, 'spec', 'nodeName');
    return isDaemon && image && node ? [{ node, image }] : [];
  });
}
