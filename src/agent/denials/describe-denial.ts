import type { RecordedDenial } from '../../compile/denials.ts';
import { prepareCluster } from '../../evaluator/cluster.ts';
import type { NearMiss } from '../../evaluator/decision.ts';
import { attribute } from '../../evaluator/denial.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import type { Owners } from '../../model/owner.ts';
import { findDenying } from '../../model/order.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { ownersFor, type Audience } from './audience.ts';
import { smallCluster } from './small-cluster.ts';

/** What the agent knows of those who have an address, and of policies. */
export interface Knowledge extends Pick<Snapshot, 'policies' | 'denied'> {
  readonly node: string;
  readonly ownersOf: (address: string) => Owners;
  /** Of a pod: `namespace/name`. */
  readonly isThere: (pod: string) => boolean;
}

/** Who is denied: whoever has the address at the end where packets were dropped. */
export interface Subject {
  readonly address: string;
  /** `namespace/name` of the one pod of this node that has it. */
  readonly pod: string | undefined;
  /** Of that pod, or of all that claim the address; and those that isolate it in this direction. */
  readonly policies: readonly PolicyId[];
  readonly isolating: readonly PolicyId[];
}

/** A denial in the words for one audience. */
export interface DescribedDenial {
  readonly direction: RecordedDenial['direction'];
  /** `namespace/name` of a pod, `node NAME`, or an address: users of a namespace read the names of its pods alone. */
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string | number;
  readonly port?: number;
  /** That the kernel had noted by then. */
  readonly packets: number;
  /** Those that isolate the pod in this direction: the first of them, and how many more there are. */
  readonly policies: readonly PolicyId[];
  readonly morePolicies?: number;
  readonly reason: string;
  /** What would have allowed it if one thing were different. */
  readonly nearMisses: readonly NearMiss[];
}

/** A line of a log stays one that people read, and that log collectors take whole. */
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
    isolating: findDenying(all, policies, denial.direction),
  };
}

/**
 * Describes denials of one subject in one direction, with nothing that the audience may not read.
 * @param texts of all its policies, as written; `undefined` where they could not be had
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

/** @param allowed why policies allow it by now */
function reasonOf(
  name: string,
  direction: RecordedDenial['direction'],
  { address, isolating }: Subject,
  { denied }: Knowledge,
  allowed: string | undefined,
): string {
  if (isolating.length === 0) {
    if (denied.has(address)) return `${address} is an address of this node that no pod may use now`;
    return `${name} was denied ${direction}, and is isolated by nothing by now`;
  }
  const by = isolating.length > mostNamed ? `${isolating.length} policies` : isolating.join(', ');
  const rest = allowed === undefined ? 'and no rule allows this' : `allowed now: ${allowed}`;
  return `${name} was isolated for ${direction} by ${by}, ${rest}`;
}
