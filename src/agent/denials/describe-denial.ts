import type { RecordedDenial } from '../../compile/denials.ts';
import { prepareCluster } from '../../evaluator/cluster.ts';
import type { NearMiss } from '../../evaluator/decision.ts';
import { attribute } from '../../evaluator/denial.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import type { Owners } from '../../model/owner.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { ownersFor, type Audience } from './audience.ts';
import { smallCluster } from './small-cluster.ts';

/** What the agent knows about policies and about the owners of addresses. */
export interface Knowledge extends Pick<Snapshot, 'policies' | 'denied'> {
  readonly node: string;
  readonly ownersOf: (address: string) => Owners;
  /** Whether the pod `namespace/name` exists. */
  readonly isThere: (pod: string) => boolean;
}

/** The end of a connection whose rules dropped the packets. */
export interface Subject {
  readonly address: string;
  /** `namespace/name` of the pod of this node that owns the address; `undefined` if not exactly one pod does. */
  readonly pod: string | undefined;
  /** The policies of that pod, or of all pods that claim the address; then those of them that isolate it in this direction. */
  readonly policies: readonly PolicyId[];
  readonly isolating: readonly PolicyId[];
}

/** The description of a denial for one audience. */
export interface DescribedDenial {
  readonly direction: RecordedDenial['direction'];
  /** `namespace/name` of a pod, `node NAME`, or an address. Users of a namespace read only the names of its own pods. */
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string | number;
  readonly port?: number;
  /** Packets that the kernel had recorded by then. */
  readonly packets: number;
  /** The first policies that isolate the pod in this direction; `morePolicies` counts the others. */
  readonly policies: readonly PolicyId[];
  readonly morePolicies?: number;
  readonly reason: string;
  /** What would have allowed it if one thing were different. */
  readonly nearMisses: readonly NearMiss[];
}

/** Keeps a log line readable, and short enough for log collectors. */
const mostNamed = 10;

export function deniedAddress({ direction, source, destination }: RecordedDenial): string {
  return direction === 'egress' ? source : destination;
}

export function subjectOf(denial: RecordedDenial, { node, ownersOf, policies }: Knowledge): Subject {
  const address = deniedAddress(denial);
  const { pods } = ownersOf(address);
  const [owner, ...others] = pods;
  const all = sorted(new Set(pods.flatMap((each) => [...each.policies])));
  const isOne = owner !== undefined && others.length === 0 && owner.pod.nodeName === node;
  return {
    address,
    pod: isOne ? `${owner.pod.namespace}/${owner.pod.name}` : undefined,
    policies: all,
    isolating: all.filter((id) => policies.get(id)?.isolates.has(denial.direction)),
  };
}

/**
 * Describes denials of one subject in one direction, with nothing that the audience may not read.
 * @param texts all policies of the subject as API objects; `undefined` if they are not available
 */
export function describeDenials(
  denials: readonly RecordedDenial[],
  subject: Subject,
  known: Knowledge,
  texts: readonly JsonObject[] | undefined,
  audience: Audience,
): DescribedDenial[] {
  const addresses = new Set(denials.flatMap(({ source, destination }) => [source, destination]));
  const owners = [...addresses].map(ownersFor(audience, known.ownersOf));
  const cluster = prepareCluster(smallCluster(owners, texts ?? []), audience === 'operators' ? 'whole' : 'part');
  const { isolating } = subject;
  const left = isolating.length - mostNamed;
  return denials.map((denial) => {
    const { direction, source, destination, port, packets } = denial;
    const { from, to, protocol, end } = attribute(cluster, denial);
    const name = direction === 'egress' ? from : to;
    const isExplained = texts !== undefined && end.verdict === 'denied';
    const allowed = texts && end.verdict === 'allowed' ? end.reason : undefined;
    return {
      direction,
      from,
      to,
      source,
      destination,
      protocol,
      ...(port !== undefined && { port }),
      packets,
      policies: isolating.slice(0, mostNamed),
      ...(left > 0 && { morePolicies: left }),
      reason: isExplained && left <= 0 ? end.reason : reasonOf(name, direction, subject, known, allowed),
      nearMisses: isExplained ? end.nearMisses : [],
    };
  });
}

/** @param allowed why the current policies allow the connection, if they do */
function reasonOf(
  name: string,
  direction: RecordedDenial['direction'],
  { address, isolating }: Subject,
  { denied }: Knowledge,
  allowed: string | undefined,
): string {
  if (isolating.length === 0) {
    if (denied.has(address)) return `${address} is an address of this node that no pod may use now`;
    return `${name} was denied ${direction}, but no policy isolates it any more`;
  }
  const by = isolating.length > mostNamed ? `${isolating.length} policies` : isolating.join(', ');
  const rest = allowed === undefined ? 'and no rule allows this' : `allowed now: ${allowed}`;
  return `${name} was isolated for ${direction} by ${by}, ${rest}`;
}
