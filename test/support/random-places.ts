import fc from 'fast-check';
import type { Link } from '../../src/model/cluster.ts';
import type { Place } from './path.ts';
import type { ApiObject } from './pipeline.ts';
import { flowAddresses, nodeOfAddress, type RandomFlow } from './random-cluster.ts';

/** How the pods are linked, in turn; `undefined`: nobody knows. */
export const layouts = fc.array(fc.constantFrom('routed', 'half-routed', 'bridged', 'bridged', undefined), {
  minLength: 1,
  maxLength: 7,
});

/** Of each node's ranges, and of no pod. */
export const unowned = ['10.1.0.200', 'fd01::c8'];

/** Where each pod address lives that is of one pod alone. */
export function placesOf(objects: readonly ApiObject[]): Map<string, Place & { pod: true }> {
  const addresses = objects.flatMap((object) => {
    const { podIPs = [] } = (object['status'] ?? {}) as { podIPs?: { ip: string }[] };
    return podIPs.map(({ ip }) => ip);
  });
  const places = new Map<string, Place & { pod: true }>();
  for (const address of addresses) {
    const place = placeOf(address, objects);
    if (place?.pod) places.set(address, place);
  }
  return places;
}

export function linksOf(
  places: ReadonlyMap<string, Place>,
  layout: readonly (string | undefined)[],
): Map<string, Link> {
  const links = new Map<string, Link>();
  for (const address of places.keys()) {
    const isIpv6 = address.includes(':');
    const number = Number.parseInt(address.split(/[.:]/).at(-1)!, isIpv6 ? 16 : 10);
    const how = layout[number % layout.length];
    if (how === 'routed' || (how === 'half-routed' && isIpv6)) links.set(address, { device: `veth${number}` });
    if (how === 'bridged') links.set(address, { device: 'cni0', port: `veth${number}` });
  }
  return links;
}

const protocolText = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

export function realFlow(flow: RandomFlow, objects: readonly ApiObject[]) {
  const addresses = [...flowAddresses(objects, flow.family), unowned[flow.family === 'ipv4' ? 0 : 1]!];
  const hasPort = typeof flow.protocol === 'string' && flow.protocol !== 'ICMP';
  return {
    family: flow.family,
    source: addresses[flow.source % addresses.length]!,
    destination: addresses[flow.destination % addresses.length]!,
    protocol: hasPort
      ? protocolText[flow.protocol]
      : flow.protocol === 'ICMP'
        ? flow.family === 'ipv4'
          ? 'icmp'
          : 'icmpv6'
        : String(flow.protocol),
    ...(hasPort ? { sourcePort: 40_000, destinationPort: flow.destinationPort } : {}),
  };
}

/** `undefined` where two live pods claim the address: it has no one place. */
export function placeOf(address: string, objects: readonly ApiObject[]): Place | undefined {
  const node = nodeOfAddress(address);
  if (node) return { pod: false, node };
  const claimants = objects.filter((object) => {
    const { hostNetwork } = (object['spec'] ?? {}) as { hostNetwork?: boolean };
    const { phase, podIPs } = (object['status'] ?? {}) as { phase?: string; podIPs?: { ip: string }[] };
    return (
      object.kind === 'Pod' &&
      !hostNetwork &&
      phase !== 'Succeeded' &&
      phase !== 'Failed' &&
      podIPs?.some(({ ip }) => ip === address)
    );
  });
  const live = claimants.filter((object) => object.metadata['deletionTimestamp'] === undefined);
  const owners = live.length > 0 ? live : claimants;
  if (owners.length > 1) return undefined;
  const nodeName = (owners[0]?.['spec'] as { nodeName: string } | undefined)?.nodeName;
  return nodeName === undefined ? { pod: false, node: undefined } : { pod: true, node: nodeName };
}
