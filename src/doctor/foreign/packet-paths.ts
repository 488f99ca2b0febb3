import { familyOf } from '../../model/address.ts';
import type { StateOfPod } from '../../model/node-state.ts';
import type { PacketPath } from './walk.ts';

/** A packet between pods, with the ends that are on this node. */
export interface PodPacketPath {
  readonly from: StateOfPod | undefined;
  readonly to: StateOfPod | undefined;
  readonly packet: PacketPath;
}

/**
 * A sample of all pairs of pods: for each family, each local pod to a remote pod and back, and to the next pod of this node.
 */
export function podPacketPaths(pods: readonly StateOfPod[], remotePods: readonly string[]): PodPacketPath[] {
  const ends = pods.flatMap((pod) => pod.addresses.map((address) => ({ pod, address, family: familyOf(address) })));
  return ends.flatMap((end): PodPacketPath[] => {
    const { pod, address, family } = end;
    const peers = ends.filter((each) => each.family === family);
    const neighbour = peers[(peers.indexOf(end) + 1) % peers.length]!;
    const remote = remotePods.find((each) => familyOf(each) === family);
    const here = pod.links[address];
    const found: PodPacketPath[] = [];
    if (neighbour.pod !== pod) {
      const there = neighbour.pod.links[neighbour.address];
      const ports = here?.device === there?.device ? { inPort: here?.port, outPort: there?.port } : {};
      const devices = { inDevice: here?.device, outDevice: there?.device, ...ports };
      const addresses = { source: address, destination: neighbour.address };
      found.push({
        from: pod,
        to: neighbour.pod,
        packet: { family, ...addresses, ...devices, protocol: 'tcp', mark: 0 },
      });
    }
    if (remote !== undefined) {
      const out = { source: address, destination: remote, inDevice: here?.device };
      const back = { source: remote, destination: address, outDevice: here?.device };
      found.push({ from: pod, to: undefined, packet: { family, ...out, protocol: 'tcp', mark: 0 } });
      found.push({ from: undefined, to: pod, packet: { family, ...back, protocol: 'tcp', mark: 0 } });
    }
    return found;
  });
}
