import { auditTier, directions, type GroupId, type Policy, type PolicyId, type PolicyRule } from '../model/policy.ts';
import { costOfSet } from './budgets.ts';
import { prefixesIn } from './interval-costs.ts';
import { costOfName } from './resolve.ts';
import type { Groups } from './walk.ts';

/** The size of one policy's spec. */
interface PolicyText {
  /** Number of rules, peers, prefixes of blocks, and ports. compile reads each once per kind of pods that the policy isolates. */
  readonly items: number;
  /** Egress rules with port names. */
  readonly named: readonly PolicyRule[];
}

/** A change of pods needs the sizes of all policies again. Reading a large policy again would be much of its cost. */
const texts = new WeakMap<Policy, PolicyText>();

function textOf(policy: Policy): PolicyText {
  let text = texts.get(policy);
  if (!text) texts.set(policy, (text = readText(policy)));
  return text;
}

/** Number of rules, peers, prefixes of blocks, and ports of the policy. */
export function sizeOfRules(policy: Policy): number {
  return textOf(policy).items;
}

/** Whether a rule has port names that each destination resolves itself. */
export function hasNamedEgress(policy: Policy): boolean {
  return textOf(policy).named.length > 0;
}

function readText({ rules }: Policy): PolicyText {
  let items = 0;
  for (const { peers, ports } of directions.flatMap((direction) => rules[direction])) {
    items += 1 + ports.length;
    for (const peer of peers) items += peer.kind === 'cidr' ? 1 + prefixesIn(peer.ranges) : 1;
  }
  const named = rules.egress.filter(({ ports }) => ports.some(({ kind }) => kind === 'named'));
  return { items, named };
}

/**
 * Estimated cost of the classes of a policy, without the sets of its groups. Units: see `budgets.ts`. All pods with the same ordered rules share the classes of
 * these: how many kinds of pods a namespace has must cost its own policies only (S10.23).
 */
export function costOfClasses(policy: Policy, groups: Groups, kinds: ReadonlyMap<PolicyId, number>): number {
  const { items, named } = textOf(policy);
  const resolved = named.reduce((sum, each) => sum + namedCost(each, groups), 0);
  const pods = kinds.get(policy.id) ?? 0;
  const isOfKinds = policy.tier === 'NetworkPolicy' || policy.tier === auditTier;
  return (items + resolved) * (isOfKinds ? pods : Math.min(pods, 1));
}

/**
 * Estimated cost of a policy alone, before its classes are built. Units: see `budgets.ts`.
 * @param kinds by policy, the number of pod kinds that it selects
 */
export function costAlone(policy: Policy, groups: Groups, kinds: ReadonlyMap<PolicyId, number>): number {
  let cost = costOfClasses(policy, groups, kinds);
  for (const id of policy.groups.keys()) cost += groupCost(id, groups);
  return cost;
}

/** Rules whose order counts. */
export function countRules({ rules }: Policy): number {
  return rules.ingress.length + rules.egress.length;
}

/** Each port of an ordered rule may be judged by all of the others: about 0.1 microseconds each (`partsOf`). */
export function costOfCuts({ rules }: Policy, cutters: number): number {
  if (cutters === 0) return 0;
  const ports = directions.reduce(
    (sum, direction) => sum + rules[direction].reduce((all, rule) => all + rule.ports.length, 0),
    0,
  );
  return (ports * cutters) / 20;
}

/** A pod has at most one address of each family. Checking which pods have both would cost what this estimate saves. */
const addressesEach = 2;

export function groupCost(id: GroupId, groups: Groups): number {
  return costOfSet + addressesEach * membersOf(id, groups);
}

function namedCost({ peers, ports }: PolicyRule, groups: Groups): number {
  return ports.reduce((sum, port) => sum + (port.kind === 'named' ? costOfName(peers, port.declarers, groups) : 0), 0);
}

export function membersOf(id: GroupId, groups: Groups): number {
  return groups.get(id)?.members.size ?? 0;
}
