import { canonicalAddress, familyOf, formatCidr, parseCidr } from '../model/address.ts';
import type { NamedPort, Namespace, Node, Pod } from '../model/cluster.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Issue } from '../model/issue.ts';
import { protocols, type Protocol } from '../model/policy.ts';

/**
 * The decoders convert raw API objects to our model. The result keeps no reference to the raw object, and shares equal strings. No input throws:
 * a decoder leaves out what it cannot read, so that it matches nothing, and reports an issue.
 */
export interface Decoded<T> {
  readonly value: T;
  readonly issues: readonly Issue[];
  /** `status.conditions`, unchecked; only of kinds whose status the agent writes. */
  readonly conditions?: readonly JsonObject[];
}

export interface ObjectIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
}

type Raw = Readonly<Record<string, unknown>>;

const nothing: Raw = {};
const noPorts: readonly NamedPort[] = [];
const noIssues: readonly Issue[] = [];
/** The kubelet sets it on the mirror pod of a static pod. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** `undefined` if the value is not an object with a name. `namespace` is empty for cluster-scoped objects. */
export function readIdentity(raw: unknown): ObjectIdentity | undefined {
  const metadata = child(asObject(raw), 'metadata');
  const name = text(metadata['name']);
  if (name === '') return undefined;
  return {
    namespace: intern(text(metadata['namespace'])),
    name,
    uid: text(metadata['uid']),
    resourceVersion: text(metadata['resourceVersion']),
    generation: typeof metadata['generation'] === 'number' ? metadata['generation'] : 0,
  };
}

export function decodePod(raw: unknown, { namespace, name, uid }: ObjectIdentity): Decoded<Pod> {
  const pod = asObject(raw);
  const [metadata, spec, status] = [child(pod, 'metadata'), child(pod, 'spec'), child(pod, 'status')];
  const issues: Issue[] = [];
  const mirrorOf = text(child(metadata, 'annotations')[mirrorAnnotation]);
  const podIps = list(status['podIPs']).map((each) => asObject(each)['ip']);
  const value: Pod = {
    kind: 'Pod',
    namespace,
    name,
    uid,
    labels: readLabels(metadata),
    nodeName: text(spec['nodeName']) === '' ? undefined : intern(text(spec['nodeName'])),
    hostNetwork: spec['hostNetwork'] === true,
    terminal: status['phase'] === 'Succeeded' || status['phase'] === 'Failed',
    terminating: text(metadata['deletionTimestamp']) !== '',
    addresses: readPodAddresses(podIps, issues),
    ports: readPorts(spec, issues),
    ...(mirrorOf === '' ? {} : { mirrorOf }),
  };
  return { value, issues: issues.length === 0 ? noIssues : issues };
}

export function decodeNamespace(raw: unknown, { name }: ObjectIdentity): Decoded<Namespace> {
  return {
    value: { kind: 'Namespace', name: intern(name), labels: readLabels(child(asObject(raw), 'metadata')) },
    issues: noIssues,
  };
}

/** Addresses of type Hostname are valid in the API, so the decoder skips them without an issue. */
export function decodeNode(raw: unknown, { name }: ObjectIdentity): Decoded<Node> {
  const addresses = list(child(asObject(raw), 'status')['addresses'])
    .map((each) => canonicalAddress(text(asObject(each)['address'])))
    .filter((address) => address !== undefined);
  const issues: Issue[] = [];
  const podCidrs = readPodCidrs(child(asObject(raw), 'spec'), issues);
  const labels = readLabels(child(asObject(raw), 'metadata'));
  const value: Node = {
    kind: 'Node',
    name: intern(name),
    addresses: [...new Set(addresses)],
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(podCidrs.length === 0 ? {} : { podCidrs }),
  };
  return { value, issues: issues.length === 0 ? noIssues : issues };
}

/** `spec.podCIDR` repeats the first of `spec.podCIDRs`. Old API servers set it alone. */
function readPodCidrs(spec: Raw, issues: Issue[]): string[] {
  const several = list(spec['podCIDRs']);
  const single = spec['podCIDR'];
  const found = several.length > 0 ? several : single === undefined || single === '' ? [] : [single];
  const cidrs = found.flatMap((cidr, index) => {
    const range = parseCidr(text(cidr));
    if (range) return [formatCidr(range)];
    const path = several.length > 0 ? `spec.podCIDRs[${index}]` : 'spec.podCIDR';
    issues.push(ignored('invalid-cidr', path, `${show(cidr)} is not a CIDR`));
    return [];
  });
  return [...new Set(cidrs)];
}

/** Reads `status.podIPs` only, at most one address of each family (S1.8). */
function readPodAddresses(ips: readonly unknown[], issues: Issue[]): readonly string[] {
  const addresses: string[] = [];
  for (const [index, ip] of ips.entries()) {
    const address = canonicalAddress(text(ip));
    const path = `status.podIPs[${index}].ip`;
    if (address === undefined) {
      issues.push(ignored('invalid-address', path, `${show(ip)} is not an IP address`));
    } else if (addresses.some((each) => familyOf(each) === familyOf(address))) {
      issues.push(ignored('invalid-address', path, `${address} is a second address of its family`));
    } else addresses.push(address);
  }
  return exact(addresses);
}

/** Reads the named ports of containers and of sidecar (restartable init) containers (S4.10). */
function readPorts(spec: Raw, issues: Issue[]): readonly NamedPort[] {
  const ports: NamedPort[] = [];
  const seen = new Set<string>();
  for (const field of ['containers', 'initContainers']) {
    for (const [index, each] of list(spec[field]).entries()) {
      const container = asObject(each);
      if (field === 'initContainers' && container['restartPolicy'] !== 'Always') continue;
      for (const [portIndex, rawPort] of list(container['ports']).entries()) {
        const path = `spec.${field}[${index}].ports[${portIndex}]`;
        const port = readPort(asObject(rawPort), path, issues);
        const key = port && `${port.name}/${port.protocol}/${port.port}`;
        if (port === undefined || seen.has(key!)) continue;
        seen.add(key!);
        ports.push(port);
      }
    }
  }
  return ports.length === 0 ? noPorts : exact(ports);
}

/** A copy that takes as much memory as its elements. The first `push` makes room for 17, and an agent holds two lists of each pod. */
function exact<Each>(elements: readonly Each[]): readonly Each[] {
  return elements.slice();
}

function readPort(raw: Raw, path: string, issues: Issue[]): NamedPort | undefined {
  const name = text(raw['name']);
  if (name === '') return undefined;
  const protocol = raw['protocol'] ?? 'TCP';
  const port = raw['containerPort'];
  if (!isProtocol(protocol)) {
    issues.push(
      ignored('invalid-protocol', `${path}.protocol`, `${show(protocol)} is none of ${protocols.join(', ')}`),
    );
    return undefined;
  }
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) {
    issues.push(ignored('invalid-port', `${path}.containerPort`, `${show(port)} is not a port`));
    return undefined;
  }
  return { name: intern(name), protocol, port };
}

function readLabels(metadata: Raw): Readonly<Record<string, string>> {
  // Object.fromEntries keeps a label named `__proto__`; an assignment would lose it.
  return Object.fromEntries(
    Object.entries(child(metadata, 'labels')).flatMap(([key, value]) => {
      return typeof value === 'string' ? [[intern(key), intern(value)]] : [];
    }),
  );
}

function ignored(code: Issue['code'], path: string, message: string): Issue {
  return { code, path, message, effect: 'ignored' };
}

function isProtocol(value: unknown): value is Protocol {
  return (protocols as readonly unknown[]).includes(value);
}

function asObject(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : nothing;
}

function child(raw: Raw, field: string): Raw {
  return asObject(raw[field]);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

const interned = new Map<string, string>();
/** So many strings of 40 characters take 5 MB (measured with Node 24). */
const internLimit = 50_000;

/** Returns one shared copy of equal strings. The cache is cleared when it is full, so it cannot grow without limit. */
function intern(value: string): string {
  const known = interned.get(value);
  if (known !== undefined) return known;
  if (interned.size >= internLimit) interned.clear();
  interned.set(value, value);
  return value;
}
