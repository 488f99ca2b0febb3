import { createHash } from 'node:crypto';
import type { NodePlan } from './addressing.ts';
import { configureLinks } from './network-namespace.ts';
import type { NetworkMaker } from './network-maker.ts';
import { routesToPods } from './routed.ts';
import { tunnelEnds } from './tunnel-end.ts';

/** RFC 4106, with the longest tag. The key has 16 bytes and a salt of 4. */
const cipher = (key: string): string => `aead 'rfc4106(gcm(aes))' ${key} 128`;
const anyKey = `0x${'00'.repeat(20)}`;

/** ESP in tunnel mode between the pod ranges of two nodes, with static keys. Packets of the nodes themselves stay outside. */
export const ipsec: NetworkMaker = {
  // The outer IP header, 16 bytes of ESP and its vector, at most 5 of padding and trailer, and a tag of 16.
  overhead: { ipv4: 60, ipv6: 80 },
  needs: [
    {
      what: 'ESP',
      command: `unshare --net ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel ${cipher(anyKey)}`,
      remedy: 'modprobe esp4 and esp6',
    },
  ],
  connect: async (namespace, node, others) => {
    await configureLinks(namespace, [
      ...others.flatMap(routesToPods),
      ...others.flatMap((other) => [...statesBetween(node, other), ...statesBetween(other, node)]),
      ...others.flatMap((other) => [
        ...policiesBetween(node, other, ['out']),
        // `in` is for the node itself, `fwd` for what it forwards: both also drop what comes in the clear.
        ...policiesBetween(other, node, ['in', 'fwd']),
      ]),
    ]);
  },
};

/** The security association of each family from one node to another. Both nodes have both directions. */
function statesBetween(from: NodePlan, to: NodePlan): string[] {
  return tunnelEnds(from).map((_, index) => {
    const name = `${from.name} ${to.name} ${index}`;
    const key = createHash('sha256').update(`postern lab ${name}`).digest('hex').slice(0, 40);
    const spi = 0x1000 + (from.number << 10) + (to.number << 1) + index;
    return `xfrm state add ${route(from, to, index)} proto esp spi ${spi} reqid 1 mode tunnel ${cipher(`0x${key}`)}`;
  });
}

function policiesBetween(from: NodePlan, to: NodePlan, directions: readonly string[]): string[] {
  return tunnelEnds(from).flatMap(({ cidr }, index) => {
    const template = `tmpl ${route(from, to, index)} proto esp reqid 1 mode tunnel`;
    return directions.map(
      (direction) => `xfrm policy add src ${cidr} dst ${tunnelEnds(to)[index]!.cidr} dir ${direction} ${template}`,
    );
  });
}

function route(from: NodePlan, to: NodePlan, index: number): string {
  return `src ${tunnelEnds(from)[index]!.underlay} dst ${tunnelEnds(to)[index]!.underlay}`;
}
