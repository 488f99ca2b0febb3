import type { NamespaceLayout } from './layout.ts';
import type { Random } from './random.ts';
import type { Shape } from './shapes.ts';

export const environments = ['production', 'staging', 'development'] as const;

export function nodeName(shape: Shape, node: number): string {
  return node === 0 ? shape.nodeName : `worker-${node}`;
}

export function podAddresses(shape: Shape, node: number, slot: number): string[] {
  const ipv4 = `10.${128 + (node >> 8)}.${node & 255}.${slot + 2}`;
  return shape.families === 'ipv4' ? [ipv4] : [ipv4, `fd00:10:244:${hex(node)}::${hex(slot + 2)}`];
}

export function nodeAddress(node: number): string {
  return `172.16.${node >> 8}.${node & 255}`;
}

export function nodeObject(shape: Shape, node: number, random: Random): object {
  const name = nodeName(shape, node);
  const ranges = [`10.${128 + (node >> 8)}.${node & 255}.0/24`, `fd00:10:244:${hex(node)}::/64`];
  const podCIDRs = shape.families === 'ipv4' ? ranges.slice(0, 1) : ranges;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: random.uid(),
      labels: {
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'topology.kubernetes.io/zone': `zone-${node % 3}`,
      },
    },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: {
      addresses: [
        { type: 'InternalIP', address: nodeAddress(node) },
        ...(shape.families === 'ipv4' ? [] : [{ type: 'InternalIP', address: `fd00:172:16::${hex(node + 1)}` }]),
        { type: 'Hostname', address: name },
      ],
      nodeInfo: { kubeletVersion: 'v1.34.2', osImage: 'Debian GNU/Linux 13 (trixie)', architecture: 'amd64' },
    },
  };
}

/** About twenty namespaces belong to one team. */
export function teamsOf({ namespaces }: Shape): number {
  return Math.max(1, Math.round(namespaces / 20));
}

export function namespaceObject(
  shape: Shape,
  { index, name }: Pick<NamespaceLayout, 'index' | 'name'>,
  random: Random,
): object {
  const own =
    shape.style === 'antrea'
      ? { app: name }
      : { team: `team-${index % teamsOf(shape)}`, environment: environments[index % environments.length]! };
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, uid: random.uid(), labels: { 'kubernetes.io/metadata.name': name, ...own } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

function hex(value: number): string {
  return value.toString(16);
}
