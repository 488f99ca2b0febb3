import { listAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';

/** An agent of ours as its pod shows it. */
export interface InstalledAgent {
  readonly node: string;
  /** As the DaemonSet names it, which its node then has. */
  readonly image: string;
}

/** The agents among the pods of a cluster, whatever the installation is called. */
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
