import { textOf } from '../evaluator/cluster.ts';
import type { Cluster } from '../evaluator/cluster.ts';
import { addressOf } from '../evaluator/party.ts';
import type { ContainerPort, Pod } from '../evaluator/party.ts';
import type { Policy } from '../evaluator/policy.ts';
import type { Selector } from '../evaluator/selector.ts';
import type { AddressRange, Family } from '../model/address.ts';
import { BlockSets } from './block-sets.ts';
import type { DeclaredPort } from './declared-ports.ts';
import { sorted } from '../lib/sort.ts';

/** Pods of one workload with equal verdicts, apart from traffic of their own nodes (S5.1). */
export interface PodClass {
  readonly workload: string;
  readonly pods: readonly [Pod, ...Pod[]];
  readonly ports: readonly DeclaredPort[];
}

/** Labels that controllers set to different values on pods of one workload. */
const ofOnePod: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-completion-index',
  'pod-template-generation',
]);

/** Classifies the pods of both clusters that have an address of the family. */
export function classifyPods(
  before: Cluster,
  after: Cluster,
  family: Family,
  portsOf: (pod: string) => readonly DeclaredPort[],
): PodClass[] {
  const policies = [...before.policies.all, ...after.policies.all];
  const keys = labelKeysOf(policies);
  const blocks = new BlockSets(blocksOf(policies), family);
  const classes = new Map<string, PodClass & { pods: [Pod, ...Pod[]] }>();
  for (const key of sorted(before.pods.keys())) {
    const [then, now] = [before.pods.get(key)!, after.pods.get(key)];
    const address = now && addressOf(now, family);
    if (!now || !address || then.terminal || now.terminal) continue;
    const [claimantsThen, claimantsNow] = [before, after].map(({ claimants }) => claimants.get(textOf(address)) ?? []);
    const isPlain = [claimantsThen, claimantsNow].every((each) => each!.length === 1 && each![0]!.key === key);
    const workload = workloadOf(now);
    const ports = portsOf(key);
    const signature = JSON.stringify([
      workload,
      // A hostNetwork pod and a pod with a contested or lost address get their own class.
      isPlain ? '' : key,
      [then, now].map((pod) => [keys.map((label) => pod.labels[label] ?? null), sortPorts(pod.namedPorts)]),
      ports,
      blocks.at(address),
    ]);
    const found = classes.get(signature);
    if (found) found.pods.push(now);
    else classes.set(signature, { workload, pods: [now], ports });
  }
  return [...classes.values()];
}

/** `shop/web-0`, or the common labels of a workload: `shop: app=web, tier=front`. */
function workloadOf({ key, namespace, labels }: Pod): string {
  const own = Object.entries(labels).filter(([label]) => !ofOnePod.has(label));
  return own.length === 0
    ? key
    : `${namespace}: ${sorted(own.map(([label, value]) => `${label}=${value}`)).join(', ')}`;
}

/** Label keys of all pod selectors. Labels of namespaces do not matter: a class is in one namespace. */
function labelKeysOf(policies: readonly Policy[]): string[] {
  const keys = new Set<string>();
  const add = ({ requirements }: Selector): void => requirements.forEach(({ key }) => keys.add(key));
  for (const policy of policies) {
    add(policy.podSelector);
    for (const peer of peersOf(policy)) if (peer.kind === 'pods') add(peer.pods);
  }
  return sorted(keys);
}

function blocksOf(policies: readonly Policy[]): AddressRange[] {
  const blocks = policies
    .flatMap(peersOf)
    .flatMap((peer) => (peer.kind === 'block' ? [peer.cidr, ...peer.except] : []));
  return [...new Map(blocks.map(({ text, range }) => [text, range])).values()];
}

function peersOf({ rules }: Policy) {
  return [...rules.ingress, ...rules.egress].flatMap(({ peers }) => (peers === 'any' ? [] : peers));
}

function sortPorts(ports: readonly ContainerPort[]): string[] {
  return sorted(ports.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`));
}
