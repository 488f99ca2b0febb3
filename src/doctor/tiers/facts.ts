import type { Cluster } from '../../evaluator/cluster.ts';
import { prepareCluster } from '../../evaluator/cluster.ts';
import type { Pod } from '../../evaluator/party.ts';
import type { Policy } from '../../evaluator/policy.ts';
import { isJsonObject, listAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import { compareText } from '../../lib/sort.ts';
import type { Known } from '../facts.ts';

/** An address and TCP port at which the API server answers pods. */
export interface ApiEndpoint {
  readonly address: string;
  readonly port: number;
}

/** Pods with the same labels in one namespace, on nodes that resolve names in the same way: all policies judge them alike, but for their addresses. */
export interface PodClass {
  /** The first of them. */
  readonly pod: Pod;
  /** `namespace/name`, sorted. */
  readonly pods: readonly string[];
  /** They ask the pods of the cluster's DNS. */
  readonly usesDns: boolean;
  /** They mount a token for the API server. */
  readonly usesApi: boolean;
  /** The ClusterNetworkPolicies that select them. */
  readonly policies: readonly Policy[];
}

/** What the checks of ClusterNetworkPolicies need. */
export interface TierFacts {
  readonly cluster: Cluster;
  readonly policies: readonly Policy[];
  readonly classes: readonly PodClass[];
  /** `namespace/name` of a hostNetwork pod: policies select none of them. */
  readonly hostPods: readonly Pod[];
  /** The pods of the cluster's DNS that run. */
  readonly dnsPods: readonly Pod[];
  readonly apiEndpoints: Known<readonly ApiEndpoint[]>;
  /** Whether some classes are left out, because there are too many. */
  readonly isCutShort: boolean;
}

/** Limits the work: selectors that the doctor compares with labels. A comparison takes about a microsecond. */
const mostComparisons = 2_000_000;

/** kubeadm, k3s, kind and the clouds give these labels to the pods of CoreDNS and NodeLocal DNSCache. */
const dnsLabel = { name: 'k8s-app', cluster: 'kube-dns', nodeLocal: 'node-local-dns' } as const;

/** Keeps of a pod what the checks read: a cluster may have 100,000 of them. */
export function trimPod(pod: JsonObject): JsonObject {
  const { namespace, name, labels, deletionTimestamp } = objectAt(pod, 'metadata');
  const { nodeName, hostNetwork, dnsPolicy, containers, initContainers, volumes } = objectAt(pod, 'spec');
  const portsOf = (list: unknown): JsonObject[] =>
    (Array.isArray(list) ? list : [])
      .filter(isJsonObject)
      .map(({ ports, restartPolicy }) => ({ ports, restartPolicy }));
  const tokens = (Array.isArray(volumes) ? volumes : []).filter(hasToken).slice(0, 1);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels, deletionTimestamp },
    spec: {
      ...{ nodeName, hostNetwork, dnsPolicy, containers: portsOf(containers) },
      ...{ initContainers: portsOf(initContainers), volumes: tokens },
    },
    status: { phase: textAt(pod, 'status', 'phase'), podIPs: listAt(pod, 'status', 'podIPs') },
  };
}

/** The API server adds such a volume to each pod that does not refuse it. */
function hasToken(volume: unknown): boolean {
  return listAt(volume, 'projected', 'sources').some(
    (source) => isJsonObject(source) && isJsonObject(source['serviceAccountToken']),
  );
}

/** @param objects Namespaces, Nodes, pods of `trimPod`, NetworkPolicies and ClusterNetworkPolicies */
export function readTierFacts(objects: readonly JsonObject[], apiEndpoints: TierFacts['apiEndpoints']): TierFacts {
  const cluster = prepareCluster(objects);
  const policies = cluster.policies.all.filter(({ tier }) => tier !== 'NetworkPolicy');
  const running = [...cluster.pods.values()].filter((pod) => !pod.terminal);
  const raw = new Map(
    objects
      .filter(({ kind }) => kind === 'Pod')
      .map((pod) => [`${textAt(pod, 'metadata', 'namespace')}/${textAt(pod, 'metadata', 'name')}`, pod]),
  );
  const isOfDns = (pod: Pod, which: 'cluster' | 'nodeLocal'): boolean =>
    pod.namespace === 'kube-system' && pod.labels[dnsLabel.name] === dnsLabel[which];
  // NodeLocal DNSCache answers in place of the DNS pods. The check node-local-dns judges it.
  const cached = new Set(running.filter((pod) => isOfDns(pod, 'nodeLocal')).map(({ nodeName }) => nodeName));
  const uses = (pod: Pod): Pick<PodClass, 'usesDns' | 'usesApi'> => {
    const spec = objectAt(raw.get(pod.key), 'spec');
    const policy = spec['dnsPolicy'] ?? 'ClusterFirst';
    const usesDns = (policy === 'ClusterFirst' || policy === 'ClusterFirstWithHostNet') && !cached.has(pod.nodeName);
    return { usesDns, usesApi: listAt(spec, 'volumes').length > 0 };
  };
  const selectable = running.filter((pod) => !pod.hostNetwork);
  const groups = Map.groupBy(selectable, (pod) => {
    const labels = Object.entries(pod.labels).sort(([a], [b]) => compareText(a, b));
    return JSON.stringify([pod.namespace, labels, uses(pod)]);
  });
  const most = Math.floor(mostComparisons / Math.max(1, policies.length));
  const classes = [...groups.values()].slice(0, most).map((pods): PodClass => {
    const [pod] = pods as [Pod];
    const selecting = cluster.policies.selecting([pod]).filter(({ tier }) => tier !== 'NetworkPolicy');
    return { pod, pods: pods.map(({ key }) => key).sort(compareText), ...uses(pod), policies: selecting };
  });
  return {
    cluster,
    policies,
    classes,
    hostPods: running.filter((pod) => pod.hostNetwork),
    dnsPods: running.filter((pod) => isOfDns(pod, 'cluster')),
    apiEndpoints,
    isCutShort: groups.size > most,
  };
}
