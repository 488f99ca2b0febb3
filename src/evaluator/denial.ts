import type { Family } from '../model/address.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End, Flow } from './decision.ts';
import { evaluate, resolveEndpoint } from './evaluator.ts';

/** A connection whose packets a node has dropped because no rule allows them. */
export interface Dropped {
  readonly direction: Direction;
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** As nft prints it: a name or a number. */
  readonly protocol: string;
  readonly port?: number;
}

/** The ends of a dropped connection, and what the policies decide about it now. */
export interface Denial {
  /** `shop/web`, `node n1`, or the address. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Flow['protocol'];
  /** The check at the end where the node dropped it. Policies may allow the connection by now. */
  readonly end: End;
}

const protocols: Readonly<Record<string, Flow['protocol']>> = {
  tcp: 'TCP',
  udp: 'UDP',
  sctp: 'SCTP',
  '1': 'ICMP',
  '58': 'ICMP',
};

/** Evaluates a dropped connection by the current policies: which ones isolate the pod, and which rules nearly allow it. */
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
