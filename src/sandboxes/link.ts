import { podLinkKinds } from '../lib/pod-link-kinds.ts';
import type { Link } from '../model/cluster.ts';

/** A device of the node, as the kernel describes it. */
export interface LinkDescription {
  /** For example `veth`; a physical device has none. */
  readonly kind: string | undefined;
  /** The device's master, for example its bridge. */
  readonly master?: { readonly name: string; readonly kind: string | undefined } | undefined;
}

/** Name → description, for devices that exist. */
export type LinkDescriptions = ReadonlyMap<string, LinkDescription>;

export interface SandboxLink {
  readonly live: boolean;
  readonly link: Link | undefined;
}

/** The link if the devices are unknown. The sandbox counts as running then. */
export const unknownLink: SandboxLink = { live: true, link: undefined };

/** @param devices the node's devices that the sandbox's entry names */
export function judgeLink(devices: readonly string[], found: LinkDescriptions): SandboxLink {
  const present = devices.filter((device) => found.has(device));
  const own = present.filter((device) => podLinkKinds.has(found.get(device)?.kind));
  // A shared device does not show that a pod runs: after a reboot the bridge exists again, and its old ports do not.
  const live = own.length > 0 || present.length === devices.length;
  const link = own.length === 1 ? linkOf(own[0]!, found.get(own[0]!)!) : undefined;
  return { live, link };
}

function linkOf(device: string, { master }: LinkDescription): Link | undefined {
  if (!master) return { device };
  // On a port of another kind of switch, packets pass hooks that our rules do not cover.
  return master.kind === 'bridge' ? { device: master.name, port: device } : undefined;
}
