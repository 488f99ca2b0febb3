import { ConfigError } from '../../config/config-error.ts';
import type { Endpoint } from '../../evaluator/decision.ts';
import { familiesOf } from '../../evaluator/evaluator.ts';
import { closestName } from '../../lib/closest-name.ts';
import { listAt, textAt } from '../../lib/json.ts';
import { containsAddress, families, parseAddress, parseCidr } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import type { ClusterSource } from './cluster-source.ts';
import { readServiceForm } from './service-argument.ts';
import { findWorkloadPods } from './workload-pods.ts';

/** FROM or TO, found in the cluster. */
export interface End {
  /** For output: `shop/web`, `node n1`. */
  readonly name: string;
  /** By address family. */
  readonly endpoints: ReadonlyMap<Family, Endpoint>;
  readonly notes: readonly string[];
}

const forms = 'NAMESPACE/POD, NAMESPACE/KIND/NAME, node/NAME, host/NAME or an address';

/** Reads `shop/web`, `shop/deployment/web`, `node/n1`, `host/db` or an address. Throws a ConfigError that names what exists. */
export function findEnd(source: ClusterSource, text: string): End {
  if (parseAddress(text)) return atEndpoint(source, text, { address: text });
  const parts = text.split('/');
  if (parts.includes('') || parts.length > 3) throw new ConfigError(`${JSON.stringify(text)}: write ${forms}`);
  const [first, second, third] = parts as [string, string?, string?];
  // A Service as destination was refused earlier.
  if (readServiceForm(text)) {
    throw new ConfigError(`${text} is a Service, which opens no connections: name a pod`);
  }
  if (second === undefined) throw unknownName(source, text);
  if (third !== undefined) return findWorkload(source, first, second.toLowerCase(), third);
  if (first === 'node') return findNode(source, second);
  if (first === 'host') return findHost(source, second);
  return findPod(source, first, second);
}

function findPod(source: ClusterSource, namespace: string, name: string): End {
  const { cluster, objects } = source;
  const key = `${namespace}/${name}`;
  if (cluster.pods.has(key)) return atPod(source, key);
  const replicas = findWorkloadPods(objects, namespace, undefined, name);
  if (replicas.length > 0) return atReplica(source, replicas, key);
  throw new ConfigError(`pod ${key} does not exist${suggestPod(source, namespace, name)}`);
}

function findWorkload(source: ClusterSource, namespace: string, kind: string, name: string): End {
  if (kind === 'pod') return findPod(source, namespace, name);
  const replicas = findWorkloadPods(source.objects, namespace, kind, name);
  if (replicas.length > 0) return atReplica(source, replicas, `${namespace}/${kind}/${name}`);
  throw new ConfigError(`${kind} ${name} has no pod in namespace ${namespace}${suggestPod(source, namespace, name)}`);
}

function findNode(source: ClusterSource, name: string): End {
  if (source.cluster.nodes.has(name)) return atEndpoint(source, `node ${name}`, { node: name });
  throw new ConfigError(`node ${name} does not exist${suggest(name, source.cluster.nodes.keys())}`);
}

/** Host objects are the lab's machines outside the cluster. */
function findHost(source: ClusterSource, name: string): End {
  const hosts = source.objects.filter((object) => object['kind'] === 'Host');
  const host = hosts.find((object) => textAt(object, 'metadata', 'name') === name);
  if (!host) {
    const names = hosts.map((object) => textAt(object, 'metadata', 'name') ?? '');
    throw new ConfigError(`host ${name} does not exist${suggest(name, names)}`);
  }
  const endpoints = new Map<Family, Endpoint>();
  for (const address of listAt(host, 'spec', 'addresses')) {
    const parsed = typeof address === 'string' ? parseAddress(address) : undefined;
    if (parsed && !endpoints.has(parsed.family)) endpoints.set(parsed.family, { address: address as string });
  }
  return { name: `host ${name}`, endpoints, notes: [] };
}

function atReplica(source: ClusterSource, replicas: readonly string[], asked: string): End {
  const key = replicas.find((each) => source.cluster.pods.get(each)?.terminal === false) ?? replicas[0]!;
  const end = atPod(source, key);
  const pod = replicas.length === 1 ? `its only pod ${key}` : `its pod ${key} (one of ${replicas.length})`;
  return { ...end, notes: [`${asked}: evaluating ${pod}`, ...end.notes] };
}

function atPod(source: ClusterSource, key: string): End {
  const pod = source.cluster.pods.get(key)!;
  const notes: string[] = [];
  if (pod.terminal) notes.push(`pod ${key} has finished: its address now belongs to the pod that has it, if any`);
  if (pod.hostNetwork)
    notes.push(`pod ${key} is on the host network: policies do not apply to it, and selectors do not match it`);
  const end = atEndpoint(source, key, { pod: key });
  if (end.endpoints.size === 0) throw new ConfigError(`pod ${key} has no address yet`);
  return { ...end, notes };
}

function atEndpoint({ cluster }: ClusterSource, name: string, endpoint: Endpoint): End {
  return { name, endpoints: new Map(familiesOf(cluster, endpoint).map((family) => [family, endpoint])), notes: [] };
}

function unknownName(source: ClusterSource, text: string): ConfigError {
  const keys = [...source.cluster.pods.keys()].filter((key) => key.endsWith(`/${text}`));
  const nodes = [...source.cluster.nodes.keys()].filter((name) => name === text).map((name) => `node/${name}`);
  const meant = [...keys, ...nodes];
  const hint = meant.length > 0 ? `did you mean ${meant.join(' or ')}?` : `write ${forms}`;
  return new ConfigError(`${JSON.stringify(text)} is neither a pod nor an address; ${hint}`);
}

function suggestPod({ cluster }: ClusterSource, namespace: string, name: string): string {
  const keys = [...cluster.pods.keys()];
  const near = closestName(`${namespace}/${name}`, keys);
  if (near !== undefined) return `; did you mean ${near}?`;
  const own = keys.filter((key) => key.startsWith(`${namespace}/`));
  return own.length > 0 ? listNames(own) : listNames(keys);
}

function suggest(name: string, known: Iterable<string>): string {
  const names = [...known];
  const near = closestName(name, names);
  return near === undefined ? listNames(names) : `; did you mean ${near}?`;
}

function listNames(names: readonly string[]): string {
  if (names.length === 0) return '; there are none';
  const shown = names.slice(0, 8).join(', ');
  return `; there ${names.length === 1 ? 'is' : 'are'} ${shown}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`;
}

const loopback = ['127.0.0.0/8', '::1/128'].map((cidr) => parseCidr(cidr)!);

/** Whether the text is a loopback address. */
export function isLoopback(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && loopback.some((range) => containsAddress(range, address));
}

/** Families that both ends have, or only `wanted`. Throws a ConfigError if there is none. */
export function commonFamilies(from: End, to: End, wanted: Family | undefined): Family[] {
  const common = families.filter((family) => from.endpoints.has(family) && to.endpoints.has(family));
  if (wanted === undefined && common.length > 0) return common;
  if (wanted !== undefined && common.includes(wanted)) return [wanted];
  const has = (end: End): string => `${end.name} has ${[...end.endpoints.keys()].join(' and ') || 'no address'}`;
  throw new ConfigError(
    `${wanted ? `not both ends have ${wanted}` : 'the ends have no address family in common'}: ${has(from)}, ${has(to)}`,
  );
}
