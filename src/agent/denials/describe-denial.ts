import { deniedAddress, type RecordedDenial } from '../../compile/denials.ts';
import type { LimitedNames } from '../../compile/ingress-names.ts';
import { prepareCluster, type Cluster } from '../../evaluator/cluster.ts';
import { endOf, followed, stepsOf } from '../../evaluator/cluster-policy-tier.ts';
import type { End, NearMiss, TierRuleRef } from '../../evaluator/decision.ts';
import { attribute, denierOf, type Denial, type DeniedBy } from '../../evaluator/denial.ts';
import { leaveOut } from '../../evaluator/left-out.ts';
import type { JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { sorted } from '../../lib/sort.ts';
import { whyLeftOut, type LeftOutReason } from '../../model/node-policies.ts';
import type { Owners } from '../../model/owner.ts';
import { compareOrder, findDenying, withoutAllows } from '../../model/order.ts';
import { isOfCluster, nameOfPolicy, type Policy, type PolicyId } from '../../model/policy.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { ownersFor, type Audience } from './audience.ts';
import { findDeciding, type Budget, type Deciding, type MatchingRule } from './deciding-rule.ts';
import { smallCluster } from './small-cluster.ts';

/** What the node enforces otherwise than policies say. */
export interface Deviations {
  /** The policies whose rules the kernel does not hold. Those that a Snapshot has without rules need not be among them. */
  readonly leftOut: ReadonlyMap<PolicyId, LeftOutReason>;
  readonly limitedNames: LimitedNames;
}

/** What the agent knows about policies and about the owners of addresses. */
export interface Knowledge extends Pick<Snapshot, 'policies' | 'denied'>, Deviations {
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
  /** The pod's namespace, if the agent does not know its Namespace object (S10.33). */
  readonly unknownNamespace?: string;
  /** `namespace/name` of the pods that claim the address, if there are several. */
  readonly claimants: readonly string[];
  /** The policies of that pod, or of all pods that claim the address, in the order in which they judge. */
  readonly policies: readonly Policy[];
  /** Those of them that can deny something in this direction; then the NetworkPolicies among these. */
  readonly denying: readonly PolicyId[];
  readonly isolating: readonly PolicyId[];
}

/** A denial with what decides about it now. */
export interface JudgedDenial {
  readonly denial: RecordedDenial;
  readonly deciding: Deciding;
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
  /** Missing if no policy denies it any more, or if several pods claim the address. */
  readonly deniedBy?: DeniedBy;
  /** The names of the first policies that denied it; `morePolicies` counts the others. */
  readonly policies: readonly string[];
  readonly morePolicies?: number;
  readonly reason: string;
  /** What would have allowed it if one thing were different. */
  readonly nearMisses: readonly NearMiss[];
}

/** Keeps a log line readable, and short enough for log collectors. */
const mostNamed = 10;

export function subjectOf(denial: RecordedDenial, { node, ownersOf, policies, leftOut }: Knowledge): Subject {
  const inForce = (id: PolicyId): Policy | [] => {
    const policy = policies.get(id);
    if (!policy) return [];
    return leftOut.has(id) ? withoutAllows(policy) : policy;
  };
  const address = deniedAddress(denial);
  const { pods } = ownersOf(address);
  const [owner, ...others] = pods;
  const all = sorted(new Set(pods.flatMap((each) => [...each.policies])));
  const denying = findDenying(all, policies, denial.direction);
  const isOne = owner !== undefined && others.length === 0 && owner.pod.nodeName === node;
  return {
    address,
    pod: isOne ? `${owner.pod.namespace}/${owner.pod.name}` : undefined,
    ...(isOne && !owner.namespace && { unknownNamespace: owner.pod.namespace }),
    claimants: others.length === 0 ? [] : pods.map(({ pod }) => `${pod.namespace}/${pod.name}`),
    policies: all.flatMap(inForce).sort(compareOrder),
    denying,
    isolating: denying.filter((id) => policies.get(id)?.tier === 'NetworkPolicy'),
  };
}

export function judgeDenial(
  denial: RecordedDenial,
  { policies, isolating, claimants }: Subject,
  { ownersOf }: Pick<Knowledge, 'ownersOf'>,
  budget: Budget,
): JudgedDenial {
  if (claimants.length === 0) return { denial, deciding: findDeciding(policies, denial, ownersOf, budget) };
  // S1.10: nothing is allowed to an address that several pods claim, so the order of their policies means nothing.
  return { denial, deciding: { by: isolating.length > 0 ? 'network-policies' : 'nothing', passedBy: [] } };
}

/** The policies that denied it, as far as the agent knows. */
export function blameFor({ deciding }: JudgedDenial, { denying, isolating, claimants }: Subject): readonly PolicyId[] {
  if (deciding.by === 'network-policies') return isolating;
  if (deciding.by === 'unknown' || claimants.length > 0) return denying;
  return deciding.by === 'rule' && deciding.decidedBy.rule.action === 'Deny' ? [deciding.decidedBy.policy.id] : [];
}

/**
 * Describes denials of one subject in one direction, with nothing that the audience may not read.
 * @param texts all NetworkPolicies of the subject as API objects; `undefined` if they are not available
 */
export function describeDenials(
  judged: readonly JudgedDenial[],
  subject: Subject,
  known: Knowledge,
  texts: readonly JsonObject[] | undefined,
  audience: Audience,
): DescribedDenial[] {
  const addresses = new Set(judged.flatMap(({ denial: { source, destination } }) => [source, destination]));
  const owners = [...addresses].map(ownersFor(audience, known.ownersOf));
  const there = prepareCluster(smallCluster(owners, texts ?? []), audience === 'operators' ? 'whole' : 'part');
  const cluster = leaveOut(there, whysLeftOut(subject.isolating, known));
  return judged.map((each) => {
    const { direction, source, destination, port, packets } = each.denial;
    const found = attribute(cluster, each.denial);
    const { from, to, protocol } = found;
    const name = direction === 'egress' ? from : to;
    const isReadable = (id: PolicyId): boolean => audience === 'operators' || !isOfCluster(id);
    const blamed = blameFor(each, subject).filter(isReadable);
    const left = blamed.length - mostNamed;
    const { deniedBy, reason, nearMisses } = describeCause(each, name, subject, {
      known,
      cluster: texts && cluster,
      found,
      audience,
    });
    return {
      direction,
      from,
      to,
      source,
      destination,
      protocol,
      ...(port !== undefined && { port }),
      packets,
      ...(deniedBy && { deniedBy }),
      policies: blamed.slice(0, mostNamed).map(nameOfPolicy),
      ...(left > 0 && { morePolicies: left }),
      reason,
      nearMisses,
    };
  });
}

/** By the name of the policy. */
function whysLeftOut(ids: readonly PolicyId[], { node, leftOut }: Knowledge): Map<string, string> {
  return new Map(
    ids.flatMap((id) => {
      const reason = leftOut.get(id);
      return reason ? [[nameOfPolicy(id), whyLeftOut(node, reason)] as const] : [];
    }),
  );
}

interface Context {
  readonly known: Knowledge;
  /** `undefined` if the texts of NetworkPolicies are not available. */
  readonly cluster: Cluster | undefined;
  readonly found: Denial;
  readonly audience: Audience;
}

function describeCause(
  { denial, deciding }: JudgedDenial,
  name: string,
  subject: Subject,
  { known, cluster, found, audience }: Context,
): Pick<DescribedDenial, 'deniedBy' | 'reason' | 'nearMisses'> {
  const { direction } = denial;
  const { address, claimants, denying, policies } = subject;
  const without = (reason: string) => ({ reason, nearMisses: [] });
  if (deciding.by === 'network-policies') {
    const passed = audience === 'operators' ? followed(deciding.passedBy.map((each) => refOf(each, direction))) : '';
    const { reason, nearMisses } = describeIsolation(name, direction, subject, { known, end: cluster && found.end });
    return { deniedBy: { tier: 'NetworkPolicy' }, reason: reason + passed, nearMisses };
  }
  if (claimants.length > 0 && denying.length > 0) {
    return without(
      `${claimants.join(' and ')} claim ${address}, and ${namePolicies(denying)} can deny one of them something, so no rule allows it anything`,
    );
  }
  if (deciding.by === 'unknown')
    return without(
      `${name} has too many rules of ClusterNetworkPolicies to compare here: postern denials names the one that denied this`,
    );
  const isAddressDenied = known.denied.has(address);
  if (deciding.by === 'rule' && deciding.decidedBy.rule.action === 'Deny') {
    return describeRule(deciding.decidedBy, deciding.passedBy, direction, { known, audience });
  }
  if (isAddressDenied && subject.unknownNamespace !== undefined)
    return without(
      `namespace ${subject.unknownNamespace} is not known, so Postern cannot tell which ClusterNetworkPolicies select ${name}`,
    );
  if (isAddressDenied) return without(`${address} is an address of this node that no pod may use now`);
  const now = deciding.by === 'rule' ? 'a rule accepts it now' : 'no policy isolates it any more';
  const limited = policies.filter(({ id }) => known.limitedNames.get(id)?.includes(direction)).map(({ id }) => id);
  const whose = audience === 'operators' ? namePolicies(limited) : 'ClusterNetworkPolicies';
  const doubt = `; node ${known.node} does not know all numbers of port names of ${whose}, so it may deny more than they say`;
  return without(`${name} was denied ${direction}, but ${now}${limited.length > 0 ? doubt : ''}`);
}

/**
 * Users of a namespace read the tier only: the rule that matches can depend on labels of other namespaces (S9.14). Which tier denies, they can find out by
 * changing their own policies.
 */
function describeRule(
  decidedBy: MatchingRule,
  passedBy: readonly MatchingRule[],
  direction: RecordedDenial['direction'],
  { known, audience }: Pick<Context, 'known' | 'audience'>,
): Pick<DescribedDenial, 'deniedBy' | 'reason' | 'nearMisses'> {
  const { tier, id } = decidedBy.policy;
  if (audience !== 'operators') {
    const remedy = tier === 'Admin' ? 'no NetworkPolicy can allow it' : 'a NetworkPolicy that allows it comes first';
    const reason = `a ClusterNetworkPolicy of the ${tier} tier denies this, and ${remedy}`;
    return { deniedBy: { tier }, reason, nearMisses: [] };
  }
  const why = decidedBy.rule.origin ? {} : { leftOut: whyLeftOut(known.node, known.leftOut.get(id) ?? 'too-large') };
  const rule = { ...refOf(decidedBy, direction), ...why };
  const passed = passedBy.map((each) => refOf(each, direction));
  const end = endOf(rule, stepsOf(passed, [], rule));
  return { deniedBy: denierOf(end)!, reason: end.reason, nearMisses: [] };
}

function refOf({ policy, rule, undecided }: MatchingRule, direction: RecordedDenial['direction']): TierRuleRef {
  const { id, tier, priority } = policy;
  const { isUndecided: _, ...origin } = rule.origin ?? { rule: 0, path: `spec.${direction}` };
  const why = undecided === undefined ? {} : { undecided };
  return { policy: nameOfPolicy(id), tier, priority, action: rule.action, ...origin, ...why };
}

/** @param judged `end`: what the current NetworkPolicies decide; `undefined` if their texts are not available */
function describeIsolation(
  name: string,
  direction: RecordedDenial['direction'],
  { isolating }: Subject,
  { known, end }: { readonly known: Knowledge; readonly end: End | undefined },
): Pick<DescribedDenial, 'reason' | 'nearMisses'> {
  const nearMisses = end?.verdict === 'denied' ? end.nearMisses : [];
  if (end?.verdict === 'denied' && isolating.length <= mostNamed) return { reason: end.reason, nearMisses };
  const rest = end?.verdict === 'allowed' ? `allowed now: ${end.reason}` : 'and no rule allows this';
  const isolated = `${name} was isolated for ${direction} by ${namePolicies(isolating)}, ${rest}`;
  const [first, ...others] = end ? [] : whysLeftOut(isolating, known);
  const more = others.length > 0 ? ` (and ${plural(others.length, 'more policy', 'more policies')})` : '';
  return { reason: first ? `${isolated}; ${first.join(': ')}${more}` : isolated, nearMisses };
}

function namePolicies(ids: readonly PolicyId[]): string {
  return ids.length > mostNamed ? `${ids.length} policies` : ids.map(nameOfPolicy).join(', ');
}
