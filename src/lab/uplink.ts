import { runCommand } from './command.ts';
import { configureLinks, createNamespace } from './network-namespace.ts';

/**
 * The link between a node and the fabric. A veth pair is cheapest. But a real network card is not a veth, and rules can match the kind
 * of a device. So `bridge` puts the veth below a bridge, and `vxlan` uses no veth.
 */
export const labUplinks = ['veth', 'bridge', 'vxlan'] as const;
export type LabUplink = (typeof labUplinks)[number];

export interface UplinkEnds {
  /** Namespace in which the link is `eth0`. */
  readonly namespace: string;
  readonly fabric: string;
  /** Namespace of the underlay of `vxlan` uplinks. */
  readonly wire: string;
  /** Name of the other end, in the fabric. */
  readonly name: string;
  /** From 1; unique in the fabric. */
  readonly number: number;
}

export async function addUplink(uplink: LabUplink, ends: UplinkEnds): Promise<void> {
  await makers[uplink](ends);
}

const makers: Readonly<Record<LabUplink, (ends: UplinkEnds) => Promise<void>>> = {
  veth: (ends) => addVeth('eth0', ends),
  bridge: async (ends) => {
    await addVeth('port0', ends);
    await configureLinks(ends.namespace, ['link add eth0 type bridge', 'link set port0 master eth0 up']);
  },
  vxlan: addVxlan,
};

/** Creates a veth pair directly in the two namespaces, never in that of the machine. */
async function addVeth(near: string, { namespace, fabric, name }: Omit<UplinkEnds, 'wire' | 'number'>): Promise<void> {
  const peer = ['peer', 'name', name, 'netns', fabric];
  await runCommand('ip', ['link', 'add', near, 'netns', namespace, 'type', 'veth', ...peer]);
}

const wireAddresses = { near: '169.254.2.1', far: '169.254.2.2' };

/** Creates the underlay of all `vxlan` uplinks, once per lab. */
export async function addWire(uplink: LabUplink, fabric: string, wire: string): Promise<void> {
  if (uplink !== 'vxlan') return;
  await createNamespace(wire);
  await addVeth('wire0', { namespace: wire, fabric, name: 'wire0' });
  const { near, far } = wireAddresses;
  for (const [namespace, address] of [
    [wire, near],
    [fabric, far],
  ] as const) {
    await configureLinks(namespace, [`link set wire0 mtu 1600 up`, `address add ${address}/30 dev wire0`]);
  }
}

/**
 * A VXLAN device keeps its socket in the namespace that created it, so the node does not see the underlay. The two sockets need two
 * namespaces: within one, the kernel forwards frames with the route of the first lookup.
 */
async function addVxlan({ namespace, fabric, wire, name, number }: UplinkEnds): Promise<void> {
  const { near, far } = wireAddresses;
  const make = (local: string, remote: string): string =>
    `link add ${name} type vxlan id ${number} local ${local} remote ${remote} dstport 4789 nolearning`;
  await configureLinks(fabric, [make(far, near)]);
  await configureLinks(wire, [make(near, far), `link set ${name} netns ${namespace} name eth0`]);
}
