import { podLinkKinds } from '../../lib/pod-link-kinds.ts';
import type { JudgedDevice } from '../../compile/pod-tables.ts';
import { podInterface, type PodInterface, type Sandbox } from '../../model/cluster.ts';

/** The interfaces of a pod, by who judges their packets. */
export interface JudgedInterfaces {
  /** Their packets cross no hook of the node. */
  readonly inside: readonly PodInterface[];
  /** Devices in the pod whose packets the node judges. */
  readonly judgedByNode: readonly JudgedDevice[];
}

/** Whether the kinds of the devices in the pod matter. An ordinary pod has one interface, and the node has its other end. */
export function mustLookInside({ live, link, interfaces = [] }: Sandbox): boolean {
  return live && interfaces.some(({ device }) => device !== podInterface || link === undefined);
}

/**
 * The node judges the packets of `eth0` if the device has an end on the node. Packets of additional networks are judged inside, whatever their device: the node knows none
 * of their addresses. A device of unknown kind is judged inside too.
 * @param kinds kinds of devices in the pod, by name
 */
export function judgeInterfaces(
  { interfaces = [] }: Sandbox,
  kinds: ReadonlyMap<string, string | undefined>,
): JudgedInterfaces {
  const isOfNode = ({ device }: PodInterface): boolean =>
    device === podInterface && podLinkKinds.has(kinds.get(device));
  return {
    inside: interfaces.filter((each) => !isOfNode(each)),
    judgedByNode: interfaces.filter(isOfNode).map(({ device }) => ({ name: device, kind: kinds.get(device)! })),
  };
}
