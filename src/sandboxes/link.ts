import type { Link } from '../model/cluster.ts';

/** What the kernel says of a device of the node. */
export interface LinkDescription {
  /** As `veth`; a physical one has none. */
  readonly kind: string | undefined;
  /** What it is a port of. */
  readonly master?: { readonly name: string; readonly kind: string | undefined } | undefined;
}

/** Of those that there are, by name. */
export type LinkDescriptions = ReadonlyMap<string, LinkDescription>;

export interface SandboxLink {
  readonly live: boolean;
  readonly link: Link | undefined;
}

/** Where nothing is known of the devices, the sandbox counts as running. */
export const unknownLink: SandboxLink = { live: true, link: undefined };

/**
 * The kinds of which a device is one pod's own. A link says that nothing else comes from there: said of a network card that a plugin
 * names too, it would cut the node off.
 */
const ownKinds: ReadonlySet<string | undefined> = new Set(['veth', 'netkit', 'tun']);

/** @param devices what the sandbox's entry names on the node's side */
export function judgeLink(devices: readonly string[], found: LinkDescriptions): SandboxLink {
  const present = devices.filter((device) => found.has(device));
  const own = present.filter((device) => ownKinds.has(found.get(device)?.kind));
  // What pods share outlives them: after a reboot a bridge is there again, and the ports of before are not.
  const live = own.length > 0 || present.length === devices.length;
  const link = own.length === 1 ? linkOf(own[0]!, found.get(own[0]!)!) : undefined;
  return { live, link };
}

function linkOf(device: string, { master }: LinkDescription): Link | undefined {
  if (!master) return { device };
  // A port of another switch: its packets pass hooks that we do not know.
  return master.kind === 'bridge' ? { device: master.name, port: device } : undefined;
}
