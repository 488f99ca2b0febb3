import { runCommand } from './command.ts';
import { configureLinks, createNamespace } from './network-namespace.ts';

/**
 * How a node is linked to the fabric. A veth pair is cheapest. A real network card is no veth, and rules that ask for a device's kind
 * see the difference: so `bridge` puts the veth below a bridge, and `vxlan` has no veth at all.
 */
export const labUplinks = ['veth', 'bridge', 'vxlan'] as const;
export type LabUplink = (typeof labUplinks)[number];

export interface UplinkEnds {
  /** Namespace in which the link is `eth0`. */
  readonly namespace: string;
  readonly fabric: string;
  /** Namespace that stands behind the cards of the kind `vxlan`. */
  readonly wire: string;
  /** Of its other end. */
  readonly name: string;
  /** From 1; no other link of the fabric has it. */
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

/** A veth pair that never is in the machine's own namespace. */
async function addVeth(near: string, { namespace, fabric, name }: Omit<UplinkEnds, 'wire' | 'number'>): Promise<void> {
  const peer = ['peer', 'name', name, 'netns', fabric];
  await runCommand('ip', ['link', 'add', near, 'netns', namespace, 'type', 'veth', ...peer]);
}

const wireAddresses = { near: '169.254.2.1', far: '169.254.2.2' };

/** What the uplinks of the kind `vxlan` share, once a lab. */
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
 * A device's socket stays in the namespace in which the device was made, so the node does not see the wire. The two sockets need
 * two namespaces: within one, the kernel hands frames over with the route that they had before.
 */
async function addVxlan({ namespace, fabric, wire, name, number }: UplinkEnds): Promise<void> {
  const { near, far } = wireAddresses;
  const make = (local: string, remote: string): string =>
    `link add ${name} type vxlan id ${number} local ${local} remote ${remote} dstport 4789 nolearning`;
  await configureLinks(fabric, [make(far, near)]);
  await configureLinks(wire, [make(near, far), `link set ${name} netns ${namespace} name eth0`]);
}
