/**
 * Kinds of devices that lead to one pod, whose packets the node routes. Macvlan, ipvlan and physical devices lead to a whole network, which reaches
 * the pods without the node (K17). Open vSwitch forwards packets before any hook. The rules drop all other sources from a pod's link. If a network card
 * that a plugin names counted as a link, they would cut off the node.
 */
export const podLinkKinds: ReadonlySet<string | undefined> = new Set(['veth', 'netkit', 'tun']);
