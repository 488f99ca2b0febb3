import type { Link } from '../../src/model/cluster.ts';
import { Random } from '../cluster/random.ts';
import { bridge, openWay, range, remoteWay, way, type End, type Layout } from './scene.ts';

/** An API object. */
export interface RawObject {
  readonly kind: 'Node' | 'Namespace' | 'Pod' | 'NetworkPolicy';
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** A pod of the node with its device there. */
export interface LocalPod extends End {
  readonly namespace: string;
  readonly app: string;
  readonly role?: string;
}

/** Ports by the kind of lookup that allows them at both ends. */
export const ports = {
  /** Exact tuple of peer, protocol and port; UDP and TCP. */
  tuple: 9,
  /** An ipBlock and a port range. */
  block: 10,
  /** A group and a port range, without other groups for that range. */
  group: 12,
  /** The last of three groups of one port. */
  lastGroup: 14,
  /** Denied. */
  forbidden: 16,
} as const;

export const counts = [10, 100, 1_000, 10_000] as const;
export const neighbours = 250;
/** Namespaces of pods that policies select. */
export const spaces = Array.from({ length: 10 }, (_, i) => `space-${i}`);
/** Apps of each namespace. */
const localApps = 10;
const remoteApps = 20;
const remotePods = 2_000;

/** The objects other than policies, which are the same for all numbers of policies. */
export function clusterObjects(): RawObject[] {
  return [
    { kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDRs: [range] } },
    ...[...spaces, 'open'].map((name) => ({ kind: 'Namespace' as const, metadata: { name, labels: { team: name } } })),
    ...localPods().map((pod) => podObject(pod.namespace, pod.device, pod.address, 'n1', pod)),
    ...Array.from({ length: remotePods }, (_, i) => {
      const app = `app-${Math.floor(i / spaces.length) % remoteApps}`;
      return podObject(spaces[i % spaces.length]!, `remote-${i}`, `10.100.${i >> 8}.${i & 255}`, 'n2', { app });
    }),
    podObject(spaces[1]!, 'remote-end', remoteWay.to.address, 'n2', { app: 'app-0', role: 'end' }),
  ];
}

/** The measured ends are in the middle of the pods, so that a rule list passes half of its rules first. */
export function localPods(): LocalPod[] {
  const others = Array.from({ length: neighbours }, (_, i): LocalPod => {
    const app = `app-${Math.floor(i / spaces.length) % localApps}`;
    return {
      namespace: spaces[i % spaces.length]!,
      app,
      address: `10.99.1.${i + 1}`,
      device: `other-${i}`,
      mac: '02:00:00:00:01:00',
    };
  });
  const ends: LocalPod[] = [
    { ...way.from, namespace: spaces[0]!, app: 'app-0', role: 'end' },
    { ...way.to, namespace: spaces[1]!, app: 'app-0', role: 'end' },
    { ...openWay.from, namespace: 'open', app: 'open' },
    { ...openWay.to, namespace: 'open', app: 'open' },
  ];
  return [...others.slice(0, neighbours / 2), ...ends, ...others.slice(neighbours / 2)];
}

export function linkOf({ device, mac }: End, layout: Layout): Link {
  return layout === 'bridged' ? { device: bridge, port: device, mac } : { device };
}

/**
 * The first ten policies, one per namespace, select all its pods and have a rule of every kind. So classes have the same kinds of lookups for
 * all numbers of policies, and only the sets grow. All other policies select the pods of one app.
 */
export function policyObjects(count: number, seed = 1): RawObject[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const namespace = spaces[i % spaces.length]!;
    const turn = Math.floor(i / spaces.length);
    const types =
      turn === 0 || random.below(5) < 3 ? ['Ingress', 'Egress'] : [random.below(2) === 0 ? 'Ingress' : 'Egress'];
    const rules = (peers: Peers): object[] =>
      turn === 0
        ? everyKind(peers)
        : Array.from({ length: 1 + random.below(3) }, (_each, rule) => randomRule(peers, rule, random));
    const spec = {
      podSelector: turn === 0 ? {} : { matchLabels: { app: `app-${(turn - 1) % localApps}` } },
      policyTypes: types,
      ...(types.includes('Ingress') && { ingress: rules('from') }),
      ...(types.includes('Egress') && { egress: rules('to') }),
    };
    return { kind: 'NetworkPolicy', metadata: { namespace, name: `policy-${i}` }, spec };
  });
}

type Peers = 'from' | 'to';

function everyKind(peers: Peers): object[] {
  const allSpaces = { namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['open'] }] } };
  const allBut = (apps: number, ...others: object[]): object => {
    const values = Array.from({ length: apps }, (_, i) => `app-${remoteApps - 1 - i}`);
    return { ...allSpaces, podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values }, ...others] } };
  };
  const noEnd = { key: 'role', operator: 'DoesNotExist' };
  const udp = (port: number, endPort?: number): object => ({ protocol: 'UDP', port, ...(endPort && { endPort }) });
  return [
    { ports: [udp(53)] },
    {
      [peers]: [{ ...allSpaces, podSelector: { matchLabels: { role: 'end' } } }],
      ports: [udp(ports.tuple), { port: ports.tuple }],
    },
    { [peers]: [{ podSelector: { matchLabels: { app: 'app-15' } } }] },
    { [peers]: [{ ipBlock: { cidr: '10.99.0.0/24' } }], ports: [udp(ports.block, ports.block + 1)] },
    { [peers]: [{ ipBlock: { cidr: '192.168.0.0/24' } }] },
    // Groups are sorted by port.
    { [peers]: [allBut(1)], ports: [{ port: 600 }, udp(ports.group, ports.group + 1)] },
    { [peers]: [allBut(2, noEnd)], ports: [{ port: 700, endPort: 709 }, udp(ports.lastGroup, ports.lastGroup + 1)] },
    { [peers]: [allBut(3, noEnd)], ports: [{ port: 800, endPort: 809 }, udp(ports.lastGroup, ports.lastGroup + 1)] },
    { [peers]: [allBut(4)], ports: [udp(ports.lastGroup, ports.lastGroup + 1)] },
  ];
}

/** A random rule that allows nothing on the measured ports: its ports are higher, and rules without ports have other peers. */
function randomRule(peers: Peers, rule: number, random: Random): object {
  const protocol = random.below(4) === 0 ? 'UDP' : 'TCP';
  const port = 1024 + random.below(30_000);
  const one = { protocol, port };
  const several = { protocol, port, endPort: port + 1 + random.below(100) };
  // So that enough policies have both directions.
  if (rule === 0 && random.chance(0.4)) {
    const blocks = Array.from({ length: 1 + random.below(3) }, () => ({ ipBlock: randomBlock(random) }));
    return { [peers]: blocks, ports: [several] };
  }
  const app = { podSelector: { matchLabels: { app: `app-${random.below(remoteApps)}` } } };
  const other = { ...app, namespaceSelector: { matchLabels: { team: random.pick(spaces) } } };
  switch (random.below(10)) {
    case 0:
      return { ports: [one] };
    case 1:
      return {
        [peers]: [{ podSelector: { matchLabels: { app: `app-${localApps + random.below(remoteApps - localApps)}` } } }],
      };
    case 2:
      return { [peers]: [{ ipBlock: randomBlock(random) }], ports: [one] };
    case 3:
      return { [peers]: [other], ports: [several] };
    case 4:
    case 5:
      return { [peers]: [app], ports: [one] };
    default:
      return { [peers]: [other], ports: [one, { protocol: 'TCP', port: 1024 + random.below(30_000) }] };
  }
}

function randomBlock(random: Random): object {
  const length = 20 + random.below(9);
  const address = [172, 16 + random.below(16), random.below(256), length <= 24 ? 0 : random.below(256)];
  const cidr = `${address.join('.')}/${length}`;
  return { cidr };
}

function podObject(
  namespace: string,
  name: string,
  address: string,
  nodeName: string,
  { app, role }: { readonly app: string; readonly role?: string },
): RawObject {
  const metadata = { namespace, name, uid: `uid-${name}`, labels: { app, ...(role !== undefined && { role }) } };
  return { kind: 'Pod', metadata, spec: { nodeName }, status: { podIPs: [{ ip: address }] } };
}
