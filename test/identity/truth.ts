import type { NodeFact, Sandbox } from '../../src/model/cluster.ts';
import type { ApiObject } from '../support/pipeline.ts';

type FetchedPod = NonNullable<(NodeFact & { op: 'fetched' })['value']>;

/** What a node knows beside the API server: the last word of each sort. */
export class NodeKnowledge {
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #fetched = new Map<string, FetchedPod>();
  #kept = false;

  receive(fact: NodeFact): void {
    if (fact.op === 'cache-complete') this.#kept = true;
    if (fact.op === 'sandbox') setOrDelete(this.#sandboxes, fact.id, fact.value);
    if (fact.op === 'fetched') setOrDelete(this.#fetched, fact.key, fact.value);
  }

  /** The watch has brought the pod: what was fetched of it counts no more. */
  watched(key: string, uid: string): void {
    if (this.#fetched.get(key)?.uid === uid) this.#fetched.delete(key);
  }

  get facts(): NodeFact[] {
    return [
      ...[...this.#sandboxes].map(([id, value]): NodeFact => ({ op: 'sandbox', id, value })),
      ...[...this.#fetched].map(([key, value]): NodeFact => ({ op: 'fetched', key, value })),
      ...(this.#kept ? [{ op: 'cache-complete' } as const] : []),
    ];
  }

  /**
   * The objects as they would be, were the API server as quick as the node: what the evaluator, which knows no sandboxes, is asked about.
   * An address that nobody may use (S1.14) is that of a pod in a namespace of its own, which is isolated without allows.
   */
  correct(objects: readonly ApiObject[], node: string): ApiObject[] {
    if (this.facts.length === 0) return [...objects];
    const watched = objects.filter(isPod);
    const isWatched = ({ uid }: FetchedPod): boolean => watched.some(({ metadata }) => metadata.uid === uid);
    const running = [...this.#sandboxes.values()].filter(({ live }) => live).sort((a, b) => a.order - b.order);
    const fetched = [...this.#fetched.values()].filter((pod) => !isWatched(pod)).map(objectOf);
    const pods = [...watched, ...fetched.filter((pod) => running.some((sandbox) => isFor(sandbox, pod)))];
    const known = [...this.#sandboxes.values()].some((sandbox) => pods.some((pod) => isFor(sandbox, pod)));
    const holders = new Map(running.flatMap((sandbox) => sandbox.addresses.map((address) => [address, sandbox])));

    const denied = new Set(holders.keys());
    const stale = new Set<string>();
    const settled: ApiObject[] = [];
    const others: ApiObject[] = [];
    for (const pod of pods) {
      const sandbox = isSubject(pod) ? running.findLast((each) => isFor(each, pod)) : undefined;
      const hasRecord = isSubject(pod) && specOf(pod).nodeName === node && (this.#kept || known);
      if (!sandbox && !hasRecord) {
        others.push(pod);
        continue;
      }
      const own = sandbox?.addresses.filter((address) => holders.get(address) === sandbox) ?? [];
      for (const address of own) denied.delete(address);
      for (const address of addressesOf(pod)) if (!holders.has(address)) stale.add(address);
      settled.push(withAddresses(pod, own, node));
    }
    const claimed = new Set(others.filter(isSubject).flatMap(addressesOf));
    for (const address of stale.difference(claimed)) denied.add(address);
    const free = others.map((pod) =>
      withAddresses(
        pod,
        addressesOf(pod).filter((address) => !holders.has(address)),
      ),
    );
    const nodes = objects.filter(({ kind }) => kind === 'Node');
    for (const address of nodes.flatMap(nodeAddressesOf)) denied.delete(address);
    return [...objects.filter((object) => !isPod(object)), ...settled, ...free, ...deniedObjects(denied, node)];
  }
}

function setOrDelete<T>(table: Map<string, T>, key: string, value: T | undefined): void {
  if (value) table.set(key, value);
  else table.delete(key);
}

function isPod({ kind }: ApiObject): boolean {
  return kind === 'Pod';
}

/** A static pod's sandbox bears the hash of its manifest. */
function isFor(sandbox: Sandbox, { metadata }: ApiObject): boolean {
  const annotations = (metadata['annotations'] ?? {}) as Record<string, string>;
  const uid = annotations['kubernetes.io/config.mirror'] ?? metadata.uid;
  return sandbox.namespace === metadata.namespace && sandbox.name === metadata.name && sandbox.uid === uid;
}

function isSubject(pod: ApiObject): boolean {
  const { phase } = (pod['status'] ?? {}) as { phase?: string };
  return specOf(pod).hostNetwork !== true && phase !== 'Succeeded' && phase !== 'Failed';
}

function specOf(pod: ApiObject): { nodeName?: string; hostNetwork?: boolean } {
  return pod['spec'] as { nodeName?: string; hostNetwork?: boolean };
}

function addressesOf(pod: ApiObject): string[] {
  const { podIPs = [] } = (pod['status'] ?? {}) as { podIPs?: { ip: string }[] };
  return podIPs.map(({ ip }) => ip);
}

function nodeAddressesOf(node: ApiObject): string[] {
  const { addresses = [] } = (node['status'] ?? {}) as { addresses?: { address: string }[] };
  return addresses.map(({ address }) => address);
}

function withAddresses(pod: ApiObject, addresses: readonly string[], node?: string): ApiObject {
  const status = { ...(pod['status'] as object), podIPs: addresses.map((ip) => ({ ip })) };
  return { ...pod, status, spec: { ...specOf(pod), ...(node === undefined ? {} : { nodeName: node }) } };
}

function objectOf(pod: FetchedPod): ApiObject {
  const { namespace, name, uid, labels, nodeName, ports, addresses, mirrorOf } = pod;
  const annotations = mirrorOf === undefined ? {} : { 'kubernetes.io/config.mirror': mirrorOf };
  const containers = [{ name: 'main', ports: ports.map(({ port, ...rest }) => ({ ...rest, containerPort: port })) }];
  const status = { phase: pod.terminal ? 'Failed' : 'Running', podIPs: addresses.map((ip) => ({ ip })) };
  const spec = { nodeName, hostNetwork: pod.hostNetwork, containers };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, uid, labels, annotations }, spec, status };
}

function deniedObjects(addresses: ReadonlySet<string>, nodeName: string): ApiObject[] {
  const namespace = 'nobody';
  const pods = [...addresses].map((ip): ApiObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: ip, uid: ip },
    spec: { nodeName },
    status: { phase: 'Running', podIPs: [{ ip }] },
  }));
  const spec = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
  return [
    ...pods,
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name: 'all' }, spec },
  ];
}
