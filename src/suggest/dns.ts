import { listAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { addressBits, canonicalAddress, familyOf, formatAddress } from '../model/address.ts';
import { hasLabels } from './choose-labels.ts';
import type { Peer } from './peer.ts';
import type { Scene, WorkloadEnd } from './scene.ts';

/** The namespace and label of the cluster's DNS, as kubeadm, kind, k3s and the clouds have them. */
const home = 'kube-system';
export const dnsLabels = { 'k8s-app': 'kube-dns' } as const;
/** Where the cluster's DNS usually is, for a user who may not see it. */
export const usualDns: Peer = { kind: 'pods', namespace: home, labels: dnsLabels };
const nodeLocal: readonly string[] = ['node-local-dns', 'nodelocaldns'];
/** The address that node-local DNS has unless its arguments name others. */
const usualNodeLocal = '169.254.20.10';

export const dnsPorts = [
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 53 },
] as const;

export function isDns({ namespace, labels }: Pick<WorkloadEnd, 'namespace' | 'labels'>): boolean {
  return namespace === home && hasLabels(labels, dnsLabels);
}

/** The servers that pods ask for names: by labels, or by address if they are sockets of nodes. Empty if the cluster has none that is known. */
export function findDns({ objects, cluster }: Scene): Peer[] {
  const pods = objects.filter(
    (each) => each['kind'] === 'Pod' && textAt(each, 'metadata', 'namespace') === home && !hasFinished(each),
  );
  const nameOf = (pod: JsonObject): string => textAt(pod, 'metadata', 'labels', 'k8s-app') ?? '';
  const servers = pods.filter((pod) => nameOf(pod) === dnsLabels['k8s-app']);
  const isOnNode = (pod: JsonObject): boolean => objectAt(pod, 'spec')['hostNetwork'] === true;
  const ofNodes = servers.filter(isOnNode).flatMap((pod) => {
    const node = cluster.nodes.get(textAt(pod, 'spec', 'nodeName') ?? '');
    return (node?.addresses ?? []).map(({ family, value }) => formatAddress(family, value));
  });
  const locals = pods.filter((pod) => nodeLocal.includes(nameOf(pod))).flatMap(localAddresses);
  return [
    ...(servers.some((pod) => !isOnNode(pod)) ? [usualDns] : []),
    ...[...new Set([...ofNodes, ...locals])].map(
      (address) => ({ kind: 'block', cidr: `${address}/${addressBits[familyOf(address)]}` }) as const,
    ),
  ];
}

function hasFinished(pod: JsonObject): boolean {
  return ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase') ?? '');
}

function localAddresses(pod: JsonObject): string[] {
  const given = givenAddresses(pod);
  return given.length > 0 ? given : [usualNodeLocal];
}

/** The arguments of a pod of node-local DNS that suggestions read. Empty for other pods. */
export function localDnsArguments(pod: JsonObject): string[] {
  const isLocal =
    textAt(pod, 'metadata', 'namespace') === home &&
    nodeLocal.includes(textAt(pod, 'metadata', 'labels', 'k8s-app') ?? '');
  const given = isLocal ? givenAddresses(pod) : [];
  return given.length > 0 ? ['-localip', given.join(',')] : [];
}

/** The argument `-localip` of node-local DNS: addresses with commas. */
function givenAddresses(pod: JsonObject): string[] {
  const args = listAt(pod, 'spec', 'containers').flatMap((each) => [
    ...listAt(each, 'command'),
    ...listAt(each, 'args'),
  ]);
  const at = args.findIndex((each) => each === '-localip' || each === '--localip');
  if (at < 0) return [];
  const texts = String(args[at + 1] ?? '').split(',');
  return texts.map((text) => canonicalAddress(text.trim())).filter((text) => text !== undefined);
}
