import type { NodePlan } from './addressing.ts';
import { configureLinks } from './network-namespace.ts';
import type { NetworkMaker } from './network-maker.ts';

/** Plain routes, as flannel's host-gw. */
export const routed: NetworkMaker = {
  overhead: { ipv4: 0, ipv6: 0 },
  connect: async (namespace, _node, others) => {
    await configureLinks(namespace, others.flatMap(routesToPods));
  },
};

/** Lines of `ip -batch`, for any namespace that reaches the node. */
export function routesToPods({ podCidrs, addresses }: NodePlan): string[] {
  return podCidrs.map((cidr, index) => `route add ${cidr} via ${addresses[index]!}`);
}
