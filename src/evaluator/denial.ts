import type { Family } from '../model/address.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End, Flow } from './decision.ts';
import { evaluate, resolveEndpoint } from './evaluator.ts';

/** A connection of which a node has dropped packets since no rule allows them. */
export interface Dropped {
  readonly direction: Direction;
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** As nft says it. */
  readonly protocol: string;
  readonly port?: number;
}

/** Who that was, and what the policies say of it now. */
export interface Denial {
  /** For people: `shop/web`, `node n1`, or the address. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Flow['protocol'];
  /** The end where it was dropped. It may be allowed by now, or something else than the policies has dropped it. */
  readonly end: End;
}

const protocols: Readonly<Record<string, Flow['protocol']>> = {
  tcp: 'TCP',
  udp: 'UDP',
  sctp: 'SCTP',
  '1': 'ICMP',
  '58': 'ICMP',
};

/** The policies as they are now: which isolate the pod, and what would have allowed it. */
export function attribute(
  cluster: Cluster,
  { direction, family, source, destination, protocol, port }: Dropped,
): Denial {
  const name = (address: string): string => {
    const party = resolveEndpoint(cluster, { address }, family);
    return typeof party === 'string' ? address : party.name;
  };
  const flow: Flow = {
    source: { address: source },
    destination: { address: destination },
    protocol: protocols[protocol] ?? Number(protocol),
    family,
    ...(port !== undefined && { destinationPort: port }),
  };
  return {
    from: name(source),
    to: name(destination),
    protocol: flow.protocol,
    end: evaluate(cluster, flow)[direction],
  };
}
