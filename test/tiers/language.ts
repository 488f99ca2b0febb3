import type { ApiObject } from '../../src/lab/api/object.ts';
import { host } from '../lab/objects.ts';

/** What a case does, and who reaches whom afterwards. A case may go on with further steps. */
export interface Step {
  /** Objects to create, or to replace. Texts such as `{{ipv4 red/a}}` in them stand for an address. */
  readonly given?: readonly ApiObject[];
  readonly gone?: readonly ApiObject[];
  /** `red/a > blue/b`: TCP/80, in both families. `red/a > blue/b UDP/53`, `red/a > node/n1 icmp`, `red/a > blue/b TCP/80 ipv4`; a Service of the case by its name. */
  readonly yes?: readonly string[];
  /** No answer at all. */
  readonly no?: readonly string[];
  /** Nothing listens on this port, and the other end says so. */
  readonly closed?: readonly string[];
}

export interface TierCase {
  /** Rules of docs/semantics.md stand at its end. */
  readonly title: string;
  readonly steps: readonly Step[];
}

type Labels = Readonly<Record<string, string>>;
export type Peer = Readonly<Record<string, unknown>>;
export type Rule = Readonly<Record<string, unknown>>;
export type Action = 'Accept' | 'Deny' | 'Pass';

interface Declared {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
}

function namespace(name: string, labels: Labels): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** Two containers: a name may mean a port of each. */
function pod(key: string, nodeName: string, names: readonly Declared[], spec: object = {}): ApiObject {
  const [space, name] = key.split('/') as [string, string];
  const container = (index: number, ports: readonly Declared[]): object => ({
    name: `c${index}`,
    image: 'registry.k8s.io/pause:3.10',
    ports: ports.map(({ port, protocol = 'TCP', ...rest }) => ({ ...rest, containerPort: port, protocol })),
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: space, name, labels: { app: name } },
    spec: {
      nodeName,
      containers: [container(0, names), container(1, [{ ...(names[0]?.name && { name: 'dns' }), port: 81 }])],
      ...spec,
    },
  };
}

const named = (web: number, other: number): Declared[] => [
  { name: 'web', port: web },
  { name: 'other', port: other },
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'call', port: 80, protocol: 'SCTP' },
];
const unnamed = named(80, 8080).map(({ port, protocol }): Declared => ({ port, ...(protocol && { protocol }) }));

const namespaceLabels: Readonly<Record<string, Labels>> = {
  red: { team: 'red', env: 'prod' },
  blue: { team: 'blue', env: 'prod' },
  green: { team: 'green', env: 'dev' },
};

/**
 * `web` is 80 on the pods `a` and 8080 on the pods `b`, and `dns` is UDP/53 and TCP/81; green/a names no port.
 * `red/host` has the network of n2. Every pod is labelled `app` with its name.
 */
export const cast: readonly ApiObject[] = [
  ...Object.entries(namespaceLabels).map(([name, labels]) => namespace(name, labels)),
  pod('red/a', 'n1', named(80, 8080)),
  pod('red/b', 'n2', named(8080, 80)),
  pod('blue/a', 'n2', named(80, 8080)),
  pod('blue/b', 'n1', named(8080, 80)),
  pod('green/a', 'n1', unnamed),
  pod('red/host', 'n2', [{ port: 80 }], { hostNetwork: true }),
  host('outside', ['10.9.0.1', 'fd00:9::1'], [{ port: 80 }, { port: 53, protocol: 'UDP' }]),
];

/** The namespace or pod of the cast with other labels. */
export function relabelled(key: string, labels: Labels): ApiObject {
  const [first, name] = key.split('/') as [string, string?];
  if (name === undefined) return namespace(first, labels);
  const object = cast.find(({ metadata }) => metadata.namespace === first && metadata.name === name)!;
  return { ...object, metadata: { ...object.metadata, labels } };
}

interface Given {
  readonly name?: string;
  readonly priority?: number;
  readonly subject?: unknown;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export type TierName = 'Admin' | 'Baseline';

/** The subject is the namespace red, unless `subject` says more. */
export function cnp(
  tier: TierName,
  { name = tier.toLowerCase(), priority = 10, subject = team('red'), ...rules }: Given,
): ApiObject {
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name },
    spec: { tier, priority, subject, ...rules },
  };
}
export const admin = (given: Given): ApiObject => cnp('Admin', given);
export const baseline = (given: Given): ApiObject => cnp('Baseline', given);

export const all: Peer = { namespaces: {} };
export const team = (name: string): Peer => ({ namespaces: { matchLabels: { team: name } } });
export const pods = (app: string, teamName?: string): Peer => ({
  pods: {
    podSelector: { matchLabels: { app } },
    ...(teamName !== undefined && { namespaceSelector: { matchLabels: { team: teamName } } }),
  },
});
export const nodes = (name: string): Peer => ({ nodes: { matchLabels: { 'kubernetes.io/hostname': name } } });
export const networks = (...cidrs: readonly string[]): Peer => ({ networks: cidrs });
/** The blocks of just this station. */
export const addressOf = (key: string): Peer => networks(`{{ipv4 ${key}}}/32`, `{{ipv6 ${key}}}/128`);
export const anywhere = networks('0.0.0.0/0', '::/0');
export const outside = networks('10.9.0.0/24', 'fd00:9::/64');

export const from = (action: Action, peer: Peer | readonly Peer[], protocols?: readonly unknown[]): Rule =>
  rule(action, 'from', peer, protocols);
export const to = (action: Action, peer: Peer | readonly Peer[], protocols?: readonly unknown[]): Rule =>
  rule(action, 'to', peer, protocols);

function rule(action: Action, field: string, peer: Peer | readonly Peer[], protocols?: readonly unknown[]): Rule {
  return { action, [field]: Array.isArray(peer) ? peer : [peer], ...(protocols && { protocols }) };
}

export const port = (number: number, protocol = 'tcp'): unknown => ({ [protocol]: { destinationPort: { number } } });
export const ports = (start: number, end: number, protocol = 'tcp'): unknown => ({
  [protocol]: { destinationPort: { range: { start, end } } },
});
export const portName = (destinationNamedPort: string): unknown => ({ destinationNamedPort });

type Way = 'ingress' | 'egress';

function networkPolicy(space: string, ways: readonly Way[], rules: readonly object[]): ApiObject {
  const policyTypes = ways.map((way) => (way === 'ingress' ? 'Ingress' : 'Egress'));
  const spec = { podSelector: {}, policyTypes, ...Object.fromEntries(ways.map((way) => [way, rules])) };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: space, name: 'np' },
    spec,
  };
}
/** A NetworkPolicy for all pods of the namespace that allows nothing. */
export const isolated = (space: string, ...ways: readonly Way[]): ApiObject => networkPolicy(space, ways, []);
/** … and one that allows everything. */
export const open = (space: string, ...ways: readonly Way[]): ApiObject => networkPolicy(space, ways, [{}]);

/** TCP/80 and UDP/53 of the pods `a` of the namespace. */
export function service(name: string, space: string): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: space, name },
    spec: {
      ipFamilyPolicy: 'PreferDualStack',
      selector: { app: 'a' },
      ports: [
        { name: 'web', port: 80, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  };
}

/** A flow of a step. `to` is a station, or the name of a Service. */
export interface AskedFlow {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly families: readonly ('ipv4' | 'ipv6')[];
}

export function readFlow(text: string): AskedFlow {
  const match = /^(\S+) > (\S+?)(?: ((?:TCP|UDP|SCTP)\/[0-9]+|icmp))?(?: (ipv[46]))?$/.exec(text);
  if (!match) throw new Error(`no flow: ${text}`);
  const [, source, destination, wanted = 'TCP/80', family] = match as unknown as [
    string,
    string,
    string,
    string?,
    string?,
  ];
  return {
    from: source,
    to: destination,
    port: wanted,
    families: family === undefined ? ['ipv4', 'ipv6'] : [family as 'ipv4' | 'ipv6'],
  };
}

/** Fills in the addresses that texts of an object stand for. */
export function fillIn<T extends ApiObject>(object: T, addressAt: (key: string, family: 'ipv4' | 'ipv6') => string): T {
  const text = JSON.stringify(object).replaceAll(
    /\{\{(ipv[46]) ([^}]+)\}\}/g,
    (_, family: 'ipv4' | 'ipv6', key: string) => addressAt(key, family),
  );
  return JSON.parse(text) as T;
}
