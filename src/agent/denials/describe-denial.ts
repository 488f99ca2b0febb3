import type { NotedDenial } from '../../compile/denials.ts';
import { prepareCluster } from '../../evaluator/cluster.ts';
import type { NearMiss } from '../../evaluator/decision.ts';
import { attribute } from '../../evaluator/denial.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import type { Owners } from '../../model/owner.ts';
import type { Policy, PolicyId } from '../../model/policy.ts';
import { smallCluster } from './small-cluster.ts';

/** What the agent knows of those who have an address, and of policies. */
export interface Knowledge {
  readonly ownersOf: (address: string) => Owners;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  /** Of a pod: `namespace/name`. */
  readonly isThere: (pod: string) => boolean;
}

/** A denial as the log tells it. */
export interface DescribedDenial {
  readonly direction: NotedDenial['direction'];
  /** `namespace/name` of a pod, `node NAME`, or an address. */
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string | number;
  readonly port?: number;
  /** That the kernel had noted by then. */
  readonly packets: number;
  /** Those that isolate the pod in this direction. */
  readonly policies: readonly PolicyId[];
  readonly reason: string;
  /** What would have allowed it if one thing were different. */
  readonly nearMisses: readonly NearMiss[];
}

/** The address of the pod that is denied; the other end may be anybody. */
export function deniedAddress({ direction, source, destination }: NotedDenial): string {
  return direction === 'egress' ? source : destination;
}

/** All policies of the pod that was denied, or of the pods that claim its address; and those that isolate it in this direction. */
export function policiesOf(
  denial: NotedDenial,
  { ownersOf, policies }: Knowledge,
): { all: PolicyId[]; isolating: PolicyId[] } {
  const all = new Set(ownersOf(deniedAddress(denial)).pods.flatMap((owner) => [...owner.policies]));
  const isolates = (id: PolicyId): boolean => policies.get(id)?.isolates.has(denial.direction) ?? false;
  return { all: sorted(all), isolating: sorted(all).filter(isolates) };
}

/** @param texts of all its policies, as written; `undefined` where they could not be had */
export function describeDenial(
  denial: NotedDenial,
  knowledge: Knowledge,
  texts: readonly JsonObject[] | undefined,
): DescribedDenial {
  const { direction, source, destination, port, packets } = denial;
  const ends = [source, destination].map(knowledge.ownersOf);
  const { isolating } = policiesOf(denial, knowledge);
  const { from, to, protocol, end } = attribute(prepareCluster(smallCluster(ends, texts ?? [])), denial);
  const pod = direction === 'egress' ? from : to;
  const told = {
    direction,
    from,
    to,
    source,
    destination,
    protocol,
    ...(port !== undefined && { port }),
    packets,
    policies: isolating,
  };
  if (isolating.length === 0) {
    const reason = `${deniedAddress(denial)} is an address of this node that no pod may use now`;
    return { ...told, reason, nearMisses: [] };
  }
  if (texts && end.verdict === 'denied') return { ...told, reason: end.reason, nearMisses: end.nearMisses };
  const rest = texts ? `allowed now: ${end.reason}` : 'and no rule allows this';
  return {
    ...told,
    reason: `${pod} was isolated for ${direction} by ${isolating.join(', ')}, ${rest}`,
    nearMisses: [],
  };
}
