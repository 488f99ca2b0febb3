import type { Link } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset, Table } from '../../src/nftables/ruleset.ts';
import { trace } from '../../src/nftables/trace.ts';
import { verdictOf } from './routed.ts';

/** The owner of an address: a pod on a node, a node, or a machine outside the cluster. */
export type Place =
  | { readonly pod: true; readonly node: string }
  | { readonly pod: false; readonly node: string | undefined };

export interface Flow {
  readonly family: 'ipv4' | 'ipv6';
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

export type CtDirection = 'original' | 'reply';

/** Which hooks of which nodes a flow's packets cross (S0.2, S5.1, S5.2, S5.7). */
export function hooksOf(source: Place, destination: Place): { node: string; hook: keyof typeof mirroredHook }[] {
  if (!source.pod && !destination.pod) return [];
  if (source.pod && destination.pod) {
    const nodes = new Set([source.node, destination.node]);
    return [...nodes].map((node) => ({ node, hook: 'forward' }));
  }
  const [pod, other] = source.pod ? [source, destination] : [destination, source as Place];
  if (other.node !== pod.node) return [{ node: pod.node!, hook: 'forward' }];
  return [{ node: pod.node!, hook: source.pod ? 'input' : 'output' }];
}

/** For the tables `ip` and `ip6`, which have no hooks before routing. */
const mirroredHook = { forward: 'forward', input: 'output', output: 'input' } as const;

/** Whether every node on the path accepts a packet of the flow. `links` has devices of addresses; other packets arrive at `eth0`. */
export function passes(
  rulesets: Readonly<Record<string, Ruleset>>,
  flow: Flow,
  places: { source: Place; destination: Place },
  orientation: CtDirection,
  links: ReadonlyMap<string, Link> = new Map(),
): boolean {
  return packetsOf(flow, places, orientation, links).every(({ node, packet, from, to }) => {
    const ruleset = rulesets[node]!;
    if (verdictOf(ruleset, packet) !== 'accept') return false;
    return passesBridge(ruleset, packet, from, to);
  });
}

/** A packet as one node of the path sees it, and the links of its ends there. */
export interface SeenPacket {
  readonly node: string;
  readonly packet: Packet;
  readonly from: Link | undefined;
  readonly to: Link | undefined;
}

/** The packet of a flow as each node of the path sees it. */
export function packetsOf(
  flow: Flow,
  places: { source: Place; destination: Place },
  orientation: CtDirection,
  links: ReadonlyMap<string, Link> = new Map(),
): SeenPacket[] {
  const packet: Omit<Packet, 'hook'> =
    orientation === 'original'
      ? {
          ...flow,
          ctState: 'new',
          direction: 'original',
          tcpSyn: true,
          sctpInit: true,
          hopLimit: 64,
          icmpType: flow.family === 'ipv4' ? 8 : 128,
        }
      : {
          ...flow,
          source: flow.destination,
          destination: flow.source,
          ...(flow.destinationPort === undefined
            ? {}
            : { sourcePort: flow.destinationPort, destinationPort: flow.sourcePort! }),
          ctState: 'established',
          direction: 'reply',
          tcpSyn: false,
          sctpInit: false,
          hopLimit: 64,
          icmpType: flow.family === 'ipv4' ? 0 : 129,
        };
  const [sender, receiver] = orientation === 'original' ? ends(places) : ends(places).toReversed();
  return hooksOf(places.source, places.destination).map(({ node, hook }): SeenPacket => {
    const seenAt = orientation === 'original' ? hook : mirroredHook[hook];
    const linkOf = (place: Place, address: string) =>
      place.pod && place.node === node ? links.get(address) : undefined;
    const [from, to] = [linkOf(sender!, packet.source), linkOf(receiver!, packet.destination)];
    const incoming = seenAt === 'output' ? {} : { inInterface: from?.device ?? 'eth0', ...kind('inKind', from) };
    const outgoing = seenAt === 'input' ? {} : { outInterface: to?.device ?? 'eth0', ...kind('outKind', to) };
    return { node, packet: { ...packet, ...incoming, ...outgoing, hook: seenAt }, from, to };
  });
}

function kind(field: 'inKind' | 'outKind', link: Link | undefined): Partial<Packet> {
  return link ? { [field]: link.port === undefined ? 'veth' : 'bridge' } : {};
}

function ends({ source, destination }: { source: Place; destination: Place }): Place[] {
  return [source, destination];
}

/** A frame crosses the bridge from port to port only if both ends are on it. A routed packet comes from the node. */
function passesBridge({ bridge }: Ruleset, seen: Packet, from?: Link, to?: Link): boolean {
  if (!bridge) return true;
  const { inInterface: _in, outInterface: _out, inKind: _inKind, outKind: _outKind, ...packet } = seen;
  const coming = from?.port === undefined ? {} : { inInterface: from.port, inKind: 'veth' };
  if (from?.port !== undefined && !isAccepted(bridge, { ...packet, ...coming, hook: 'prerouting' })) return false;
  if (to?.port === undefined) return true;
  const going = { outInterface: to.port, outKind: 'veth' };
  if (to.device === from?.device) return isAccepted(bridge, { ...packet, ...coming, ...going, hook: 'forward' });
  return isAccepted(bridge, { ...packet, ...going, hook: 'output' });
}

function isAccepted(bridge: Table, frame: Packet): boolean {
  return trace(bridge, frame).verdict === 'accept';
}
