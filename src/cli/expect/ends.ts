import { ConfigError } from '../../config/config-error.ts';
import type { Endpoint } from '../../evaluator/decision.ts';
import { textOf } from '../../evaluator/cluster.ts';
import { describePeer } from '../../evaluator/describe-peer.ts';
import { familiesOf } from '../../evaluator/evaluator.ts';
import type { Pod } from '../../evaluator/party.ts';
import { readPeer, type Peer } from '../../evaluator/peer.ts';
import { readStrictSelector, selects } from '../../evaluator/selector.ts';
import { listAt, numberAt, textAt, type JsonObject } from '../../lib/json.ts';
import { containsAddress, formatAddress, parseAddress, parseCidr } from '../../model/address.ts';
import type { AddressRange, Family } from '../../model/address.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { findEnd, isLoopback } from '../explain/end-argument.ts';
import type { End } from '../explain/end-argument.ts';
import { findWorkloadPods } from '../explain/workload-pods.ts';
import { sampleBlock } from './block-samples.ts';
import type { EndSpec, RawSelector } from './format.ts';

/** One of the pods, nodes, machines or addresses that an end selects. */
export interface Member extends Pick<End, 'name' | 'endpoints'> {
  /** `namespace/name`, if it is a pod. */
  readonly pod?: string;
  /** It stands for a part of a block, so no packet is sent to it. */
  readonly isSample?: true;
}

export interface Selected {
  readonly members: readonly Member[];
  /** The end is written as one pod, node, machine or address. */
  readonly isOne: boolean;
  /** Pods that it selects too, and that have no address yet. */
  readonly unaddressed?: readonly string[];
  /** What may be a mistake, as sentences. */
  readonly notes?: readonly string[];
}

/** Finds what ends select in one cluster. Equal ends are looked up once. */
export class Ends {
  readonly #source: ClusterSource;
  readonly #known = new Map<string, Selected>();
  #ports: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(source: ClusterSource) {
    this.#source = source;
  }

  /** Throws a ConfigError if the end is invalid or selects nothing: an expectation about nobody would always hold. */
  select(end: EndSpec): Selected {
    const key = JSON.stringify(end);
    let selected = this.#known.get(key);
    if (!selected) {
      selected = this.#find(end);
      this.#known.set(key, selected);
    }
    return selected;
  }

  /** `TCP/80`: the ports that containers of these pods declare. */
  declaredPorts(pods: Iterable<string>): string[] {
    this.#ports ??= new Map(
      this.#source.objects.filter((each) => each['kind'] === 'Pod').map((pod) => [nameOf(pod), portsOf(pod)]),
    );
    return [...new Set([...pods].flatMap((pod) => this.#ports!.get(pod) ?? []))];
  }

  #find(end: EndSpec): Selected {
    if (typeof end === 'string') return this.#findText(end);
    const { ipBlock, namespace, namespaceSelector, podSelector } = end;
    const selectors = [namespace, namespaceSelector, podSelector].filter((each) => each !== undefined);
    if (ipBlock && selectors.length > 0) throw new ConfigError('ipBlock together with namespaces or pods');
    if (ipBlock) return this.#findBlock(ipBlock.cidr, ipBlock.except ?? []);
    if ((namespace === undefined) === (namespaceSelector === undefined)) {
      throw new ConfigError('give either namespace or namespaceSelector ({} selects all namespaces), or ipBlock');
    }
    return this.#findPods(namespace, namespaceSelector, podSelector);
  }

  #findText(text: string): Selected {
    const { cluster, objects } = this.#source;
    if (isLoopback(text)) throw new ConfigError(`${text} is a loopback address, which never leaves the pod`);
    if (parseCidr(text)) return this.#findBlock(text, []);
    const [namespace = '', kindOrName = '', name] = text.split('/');
    const isWorkload = name === undefined ? !cluster.pods.has(text) : kindOrName.toLowerCase() !== 'pod';
    const replicas = isWorkload
      ? findWorkloadPods(objects, namespace, name && kindOrName.toLowerCase(), name ?? kindOrName)
      : [];
    if (replicas.length > 0) return this.#ofPods(replicas, text);
    const found = findEnd(this.#source, text);
    const [endpoint] = found.endpoints.values();
    if (endpoint && 'pod' in endpoint && cluster.pods.get(endpoint.pod)?.terminal) {
      throw new ConfigError(`pod ${endpoint.pod} has finished: it opens and takes no connections`);
    }
    const member = endpoint && 'pod' in endpoint ? { ...found, pod: endpoint.pod } : found;
    return { members: [member], isOne: true, notes: this.#notesOfAddress(text) };
  }

  /** Outside of the cluster, an address of no pod is as good as any other. In the pod range of a node, it is likely that of a pod that has gone, or mistyped. */
  #notesOfAddress(text: string): string[] {
    const address = parseAddress(text);
    const { claimants, nodeAddresses, nodesAt } = this.#source.cluster;
    const known = address && textOf(address);
    if (known === undefined || claimants.has(known) || nodeAddresses.has(known) || nodesAt.has(known)) return [];
    const isInside = podRangesOf(this.#source).some((range) => containsAddress(range, address!));
    return isInside ? [`${text} is in the pod range of a node, and no pod has it: is this what you meant?`] : [];
  }

  #findPods(
    namespace: string | undefined,
    namespaceSelector: RawSelector | undefined,
    podSelector: RawSelector | undefined,
  ): Selected {
    const { cluster } = this.#source;
    const peer = readSelectors(namespaceSelector, podSelector);
    const isMatching = ({ namespace: own, labels }: Pod): boolean => {
      const ofNamespace = cluster.namespaceLabels.get(own);
      const isInside = peer.namespaces
        ? ofNamespace !== undefined && selects(peer.namespaces, ofNamespace)
        : own === namespace;
      return isInside && selects(peer.pods, labels);
    };
    const found = [...cluster.pods.values()].filter(isMatching).map(({ key }) => key);
    return this.#ofPods(found, describePeer(peer, namespace ?? ''));
  }

  /** Leaves out pods that have finished: they open and take no connections. */
  #ofPods(keys: readonly string[], what: string): Selected {
    const { cluster } = this.#source;
    const running = keys
      .filter((key) => cluster.pods.get(key)?.terminal === false)
      .map((key): Member => ({ name: key, endpoints: endpointsOf(this.#source, { pod: key }), pod: key }));
    const members = running.filter(({ endpoints }) => endpoints.size > 0);
    const unaddressed = running.filter(({ endpoints }) => endpoints.size === 0).map(({ name }) => name);
    if (members.length > 0) return { members, isOne: false, unaddressed };
    throw new ConfigError(`selects no ${keys.length > 0 ? 'running pod with an address' : 'pod'}: ${what}`);
  }

  #findBlock(text: string, excepts: readonly string[]): Selected {
    const block = readBlock(text);
    const except = excepts.map(readBlock);
    const samples = sampleBlock(this.#source.cluster, block, except).map(({ address, range }): Member => {
      const [first, last] = [range.first, range.last].map((value) => formatAddress(range.family, value));
      const endpoint = { address: formatAddress(range.family, address) };
      return {
        name: first === last ? first! : `${first}–${last}`,
        endpoints: new Map([[range.family, endpoint]]),
        isSample: true,
      };
    });
    const members = [...samples, ...this.#hostsIn(block, except)];
    if (members.length > 0) return { members, isOne: false };
    throw new ConfigError(`selects no address: pods and nodes have all addresses of ${text}, or "except" leaves none`);
  }

  /** Machines of the lab in the block. The lab can send packets to them. */
  #hostsIn(block: AddressRange, except: readonly AddressRange[]): Member[] {
    return this.#source.objects
      .filter((object) => object['kind'] === 'Host')
      .flatMap((host) => listAt(host, 'spec', 'addresses').map((address) => ({ host, address: String(address) })))
      .flatMap(({ host, address }): Member[] => {
        const parsed = parseAddress(address);
        if (!parsed || !containsAddress(block, parsed) || except.some((each) => containsAddress(each, parsed)))
          return [];
        const name = `host ${textAt(host, 'metadata', 'name')} (${address})`;
        return [{ name, endpoints: new Map([[parsed.family, { address }]]) }];
      });
  }
}

/** As texts of the file: `shop/web`, `pods app=web of namespace shop`, `0.0.0.0/0 except 10.0.0.0/8`. */
export function describeEnd(end: EndSpec): string {
  if (typeof end === 'string') return end;
  const { ipBlock, namespace, namespaceSelector, podSelector } = end;
  if (ipBlock)
    return describePeer(
      readPeer({ ipBlock }, '', () => {}),
      '',
    );
  try {
    return describePeer(readSelectors(namespaceSelector, podSelector), namespace ?? '?');
  } catch {
    return 'pods by an invalid selector';
  }
}

function readSelectors(
  namespaceSelector: RawSelector | undefined,
  podSelector: RawSelector | undefined,
): Extract<Peer, { kind: 'pods' }> {
  const namespaces = namespaceSelector && readStrictSelector(namespaceSelector, 'namespaceSelector', () => {});
  const pods = readStrictSelector(podSelector, 'podSelector', () => {});
  const broken = namespaces?.broken ?? pods.broken;
  if (broken) throw new ConfigError(`${broken.path}: ${broken.message}`);
  return { kind: 'pods', path: '', namespaces, pods };
}

function readBlock(text: string): AddressRange {
  const range = parseCidr(text);
  if (range) return range;
  throw new ConfigError(`${JSON.stringify(text)} is no CIDR: write, for example, 10.0.0.0/8`);
}

function nameOf(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? 'default'}/${textAt(object, 'metadata', 'name')}`;
}

function portsOf(pod: JsonObject): string[] {
  const containers = [...listAt(pod, 'spec', 'containers'), ...listAt(pod, 'spec', 'initContainers')];
  return containers
    .flatMap((container) => listAt(container, 'ports'))
    .map((port) => `${textAt(port, 'protocol') ?? 'TCP'}/${numberAt(port, 'containerPort')}`);
}

function podRangesOf({ objects }: ClusterSource): AddressRange[] {
  return objects
    .filter((object) => object['kind'] === 'Node')
    .flatMap((node) => [textAt(node, 'spec', 'podCIDR'), ...listAt(node, 'spec', 'podCIDRs')])
    .flatMap((text) => (typeof text === 'string' ? (parseCidr(text) ?? []) : []));
}

function endpointsOf({ cluster }: ClusterSource, endpoint: Endpoint): Map<Family, Endpoint> {
  return new Map(familiesOf(cluster, endpoint).map((family) => [family, endpoint]));
}
