import type { Family } from '../model/address.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End, Flow, PolicyRef, Tier } from './decision.ts';
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

/** What denies a connection. In the tier NetworkPolicy, all policies that isolate the pod deny together. In the others, one rule does. */
export interface DeniedBy {
  readonly tier: Tier;
  readonly policy?: PolicyRef;
  readonly priority?: number;
  /** Index in `spec.ingress` or `spec.egress`, from 0; missing if the policy as a whole denies. */
  readonly rule?: number;
  /** The name that the rule has, if any. */
  readonly name?: string;
  readonly path?: string;
}

/** The ends of a dropped connection, and what the policies decide about it now. */
export interface Denial {
  /** `shop/web`, `node n1`, or the address. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Flow['protocol'];
  /** Missing if the policies allow the connection by now, or if several pods claim the address. */
  readonly deniedBy?: DeniedBy;
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

/** Evaluates a dropped connection by the current policies: what denies it, and which rules nearly allow it. */
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
    // What never leaves the pod meets no rule of the node (S10.18).
    ...(source === destination && { throughService: true }),
  };
  const end = evaluate(cluster, flow)[direction];
  const deniedBy = denierOf(end);
  return { from: name(source), to: name(destination), protocol: flow.protocol, ...(deniedBy && { deniedBy }), end };
}

export function denierOf({ verdict, tiers, isolatedBy }: End): DeniedBy | undefined {
  if (verdict === 'allowed') return undefined;
  if (!tiers?.decidedBy) return isolatedBy.length > 0 ? { tier: 'NetworkPolicy' } : undefined;
  const { tier, policy, priority, rule, name, path, leftOut } = tiers.decidedBy;
  if (leftOut !== undefined) return { tier, policy, priority };
  return { tier, policy, priority, rule, ...(name !== undefined && { name }), path };
}
