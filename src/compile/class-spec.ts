import { compareText, sorted } from '../lib/sort.ts';
import { withoutAllows } from '../model/order.ts';
import {
  directions,
  isEnforced,
  type Action,
  type Direction,
  type Peer,
  type Policy,
  type PolicyRule,
  type PortMatch,
  type Tier,
} from '../model/policy.ts';
import type { LocalPod } from '../model/snapshot.ts';
import { portRangeText, resolveNamedPort, type PortRange } from './port-set.ts';
import { orderRules, type Run } from './rule-order.ts';

/** A rule as the kernel needs it: ingress port names are resolved to the pod's port numbers (S4.7). */
export interface ClassRule {
  readonly tier: Tier;
  readonly action: Action;
  readonly peers: readonly Peer[];
  readonly ports: readonly (PortMatch | PortRange)[];
}

/**
 * Which packets a class judges (docs/decisions/0036). `own`: those of its pods, by NetworkPolicies. `allowed` and `else`: those that NetworkPolicies allow, and
 * all others, by the ordered rules of ClusterNetworkPolicies. All pods with the same ordered rules share these two. `audit`: packets that pass, by NetworkPolicies
 * that are not enforced. It denies nothing (docs/decisions/0042).
 */
export type ClassRole = 'own' | 'allowed' | 'else' | 'audit';

/** Whether its rules are those of NetworkPolicies, so their order means nothing. */
export function isOfNetworkPolicies(role: ClassRole): role is 'own' | 'audit' {
  return role === 'own' || role === 'audit';
}

/** What judges a packet after the class. Missing: it is allowed, or denied. */
export interface Next<T> {
  readonly allowed?: T;
  readonly denied?: T;
  /** Of the denied packets, those of the pod to itself: NetworkPolicies allow them, and other rules may deny them (S10.18). */
  readonly itself?: T;
}

/**
 * Everything that decides about a pod's traffic in one direction. Pods with equal text share one class chain.
 * The text names groups, not their members, so it does not change when only members change.
 */
export interface ClassSpec {
  readonly direction: Direction;
  readonly role: ClassRole;
  readonly text: string;
  /** The text of its own rules. Classes that differ only in `next` share their sets. */
  readonly textOfRules: string;
  /** Of `own` and `audit`, rules that are ORed. Of the others, in order: the first rule that matches a packet decides. After `Pass`, the next tier does. */
  readonly rules: readonly ClassRule[];
  /** Whether a packet that no rule decides is denied, or recorded by an audit; else it is allowed. */
  readonly isIsolated: boolean;
  readonly next: Next<ClassSpec>;
}

export function mapNext<From, To>({ allowed, denied, itself }: Next<From>, map: (of: From) => To): Next<To> {
  return {
    ...(allowed && { allowed: map(allowed) }),
    ...(denied && { denied: map(denied) }),
    ...(itself && { itself: map(itself) }),
  };
}

/**
 * By direction, the class of the pod; `undefined` if no policy denies it anything.
 * @param selecting all policies that select the pod
 * @param refused policies that isolate and allow nothing (S9.10)
 * @param knowsNames whether the node knows what ingress port names of ClusterNetworkPolicies mean on the pod (`ingress-names.ts`)
 */
export function classSpecsOf(
  pod: LocalPod,
  selecting: readonly Policy[],
  refused: ReadonlySet<string>,
  knowsNames = true,
): Readonly<Record<Direction, ClassSpec | undefined>> {
  const policies =
    refused.size === 0 ? selecting : selecting.map((each) => (refused.has(each.id) ? withoutAllows(each) : each));
  const specs: Record<Direction, ClassSpec | undefined> = { ingress: undefined, egress: undefined };
  for (const direction of directions) {
    const ordered = orderRules(policies, direction);
    if (!ordered) continue;
    const { rules, texts } = readRuns(ordered.runs, pod, direction, knowsNames);
    // The rules of NetworkPolicies come last: no class has them and the Baseline tier.
    const end = rules.findLastIndex(({ tier }) => tier !== 'NetworkPolicy') + 1;
    const own = { direction, role: 'own', rules: rules.slice(end), texts: texts.slice(end) } as const;
    const judging = { direction, rules: rules.slice(0, end), texts: texts.slice(0, end) };
    specs[direction] = ordered.isIsolated ? specOf(own, nextOf(judging)) : specOf({ ...judging, role: 'allowed' });
  }
  return specs;
}

/** The rules, and the text of each. */
function readRuns(
  runs: readonly Pick<Run, 'tier' | 'rules'>[],
  pod: LocalPod,
  direction: Direction,
  knowsNames = true,
): Pick<OrderedTexts, 'rules' | 'texts'> {
  const texts: string[] = [];
  const rules: ClassRule[] = [];
  /** In a run, the order means nothing: equal rules in another order make the same class. */
  const add = (run: readonly Omit<ClassRule, 'tier'>[], tier: Tier): void => {
    const byText = new Map<string, ClassRule>();
    for (const rule of run) {
      if (rule.peers.length > 0 && rule.ports.length > 0) byText.set(ruleText(rule, tier), { ...rule, tier });
    }
    for (const text of sorted(byText.keys())) {
      texts.push(text);
      rules.push(byText.get(text)!);
    }
  };
  for (const run of runs) {
    const isKnown = knowsNames || run.tier === 'NetworkPolicy';
    const resolve = (rule: PolicyRule) => (isKnown ? resolveIngressNames(rule, pod) : withoutNames(rule));
    add(direction === 'ingress' ? run.rules.map(resolve) : run.rules, run.tier);
    if (direction === 'ingress' && !isKnown)
      add(
        run.rules.flatMap((rule) => closingRule(rule, pod)),
        run.tier,
      );
  }
  return { rules, texts };
}

/**
 * By direction, the class that finds what the policies in audit would deny the pod together. `undefined` if none would: also where an enforced NetworkPolicy
 * isolates the pod, because another policy could only allow more there. A policy whose rules are not known leaves the audit of its pods out: what it would allow
 * would be listed as denied.
 */
export function auditSpecsOf(
  pod: LocalPod,
  selecting: readonly Policy[],
  leftOut: ReadonlySet<string>,
): Readonly<Record<Direction, ClassSpec | undefined>> {
  const audited = selecting.filter((policy) => !isEnforced(policy));
  const specOfDirection = (direction: Direction): ClassSpec | undefined => {
    const isolating = audited.filter(({ isolates }) => isolates.has(direction));
    if (isolating.length === 0 || isolating.some(({ id }) => leftOut.has(id))) return undefined;
    if (selecting.some((policy) => isEnforced(policy) && policy.isolates.has(direction))) return undefined;
    const rules = isolating.flatMap((policy) => policy.rules[direction]);
    return specOf({ direction, role: 'audit', ...readRuns([{ tier: 'NetworkPolicy', rules }], pod, direction) });
  };
  return { ingress: specOfDirection('ingress'), egress: specOfDirection('egress') };
}

interface OrderedTexts {
  readonly direction: Direction;
  readonly rules: readonly ClassRule[];
  readonly texts: readonly string[];
}

/** What the ordered rules of ClusterNetworkPolicies do with packets that NetworkPolicies allow or deny. `Pass` leaves both as they are. */
function nextOf(judging: OrderedTexts): Next<ClassSpec> {
  const has = (wanted: Action): boolean => judging.rules.some(({ action }) => action === wanted);
  const allowed = has('Deny') ? specOf({ ...judging, role: 'allowed' }) : undefined;
  const itself = allowed && { itself: allowed };
  const denied = has('Accept') ? specOf({ ...judging, role: 'else' }, itself) : undefined;
  return { ...(allowed && { allowed }), ...(denied ? { denied } : itself) };
}

function specOf(
  { direction, role, rules, texts }: OrderedTexts & Pick<ClassSpec, 'role'>,
  next: Next<ClassSpec> = {},
): ClassSpec {
  const textOfRules = `${role === 'audit' ? 'audit ' : ''}${direction} ${texts.join(' | ')}${role === 'allowed' ? ' | else accept' : ''}`;
  const after = role === 'own' ? (next.allowed ?? next.denied) : undefined;
  return {
    ...{ direction, role, rules, next, textOfRules },
    // Both of `next` have the same rules.
    text: after ? `${textOfRules} | then ${after.textOfRules}` : textOfRules,
    isIsolated: role !== 'allowed',
  };
}

function resolveIngressNames(rule: PolicyRule, pod: LocalPod): Omit<ClassRule, 'tier'> {
  if (!rule.ports.some((port) => port.kind === 'named')) return rule;
  return {
    action: rule.action,
    peers: rule.peers,
    ports: rule.ports.flatMap((port): (PortMatch | PortRange)[] =>
      port.kind === 'named' ? resolveNamedPort(port, pod.ports) : [port],
    ),
  };
}

function withoutNames(rule: PolicyRule): Omit<ClassRule, 'tier'> {
  if (!rule.ports.some((port) => port.kind === 'named')) return rule;
  return { ...rule, ports: rule.ports.filter((port) => port.kind !== 'named') };
}

/** For port names whose meaning the node does not know. If the pod declares the name, a `Deny` or `Pass` rule denies all ports of the protocol, so that the pod cannot evade the rule (S10.17). */
function closingRule({ action, peers, ports }: PolicyRule, pod: LocalPod): Omit<ClassRule, 'tier'>[] {
  if (action === 'Accept') return [];
  const closed = ports.flatMap((port): PortRange[] =>
    port.kind === 'named' && resolveNamedPort(port, pod.ports).length > 0
      ? [{ protocol: port.protocol, first: 0, last: 65_535 }]
      : [],
  );
  return closed.length > 0 ? [{ action: 'Deny', peers, ports: closed }] : [];
}

/**
 * Several classes contain the same policy rule. Without these two caches, a change of a local pod takes 6% more CPU
 * (10,000 pods, 379 policies on 110 local pods).
 */
const ruleTexts = new WeakMap<Omit<ClassRule, 'tier'>, string>();

function ruleText(rule: Omit<ClassRule, 'tier'>, tier: Tier): string {
  let text = ruleTexts.get(rule);
  if (text === undefined) {
    text = `${peersText(rule)} : ${rule.ports.map(portText).sort(compareText).join(' ')}`;
    ruleTexts.set(rule, text);
  }
  return tier === 'NetworkPolicy' ? text : `${tier} ${rule.action} ${text}`;
}

const peersTexts = new WeakMap<readonly Peer[], string>();

export function peersText({ peers }: Pick<ClassRule, 'peers'>): string {
  let text = peersTexts.get(peers);
  if (text === undefined) peersTexts.set(peers, (text = peers.map(peerText).sort(compareText).join(' ')));
  return text;
}

function peerText(peer: Peer): string {
  switch (peer.kind) {
    case 'any':
      return 'any';
    case 'pods':
      return peer.group;
    case 'cidr':
      return peer.ranges
        .map(({ family, first, last }) => `${family}/${first.toString(36)}-${last.toString(36)}`)
        .join(',');
  }
}

function portText(port: PortMatch | PortRange): string {
  if (!('kind' in port) || port.kind === 'range') return portRangeText(port);
  return port.kind === 'any' ? 'any' : `${port.protocol}/${port.name}`;
}
