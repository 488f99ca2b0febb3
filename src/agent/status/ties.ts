import type { Issue } from '../../model/issue.ts';
import {
  type Action,
  type Direction,
  directions,
  type Policy,
  type PolicyId,
  type Requirement,
  type Selection,
  type Selector,
} from '../../model/policy.ts';

/** Names in a message. */
const mostNamed = 3;
/** Policies with which one policy is compared at most: a thousand with one priority are no reason to compare each with each. */
const mostCompared = 100;
/** Longer lists of values count as lists that may have a value in common. */
const longestList = 100;
/** Selectors with more terms count as ones that do not exclude each other. */
const mostTerms = 20;

/**
 * Finds policies of one tier and priority of which the order may matter (S10.32), one issue for each. They may overlap if their selectors do not exclude
 * each other. Their rules may differ in what they match: that is not compared.
 */
export function* findTies(policies: Iterable<Policy>): Generator<readonly [PolicyId, Issue | undefined]> {
  const ranks = Map.groupBy(Array.from(policies, competitor), ({ policy }) => `${policy.tier} ${policy.priority}`);
  for (const equals of ranks.values()) {
    for (const [index, one] of equals.entries()) {
      // The neighbours in a circle, so that each is compared with as many.
      const others = [...equals.slice(index + 1), ...equals.slice(0, index)].slice(0, mostCompared);
      const tied: Policy[] = [];
      for (const other of others) {
        if (tied.length > mostNamed) break;
        if (mayDisagree(one, other)) tied.push(other.policy);
      }
      yield [one.policy.id, tied.length > 0 ? issueOf(one.policy, tied) : undefined];
    }
  }
}

interface Competitor {
  readonly policy: Policy;
  readonly actions: Readonly<Record<Direction, ReadonlySet<Action>>>;
}

function competitor(policy: Policy): Competitor {
  const actionsOf = (direction: Direction): ReadonlySet<Action> =>
    new Set(policy.rules[direction].map(({ action }) => action));
  return { policy, actions: { ingress: actionsOf('ingress'), egress: actionsOf('egress') } };
}

function issueOf({ tier, priority }: Policy, tied: readonly Policy[]): Issue {
  const names = tied.slice(0, mostNamed).map(({ id }) => id.slice(1));
  const also = names.join(', ') + (tied.length > mostNamed ? ' and more' : '');
  const message = `priority ${priority} of tier ${tier} is also that of ${also}. Where rules of both match, the API leaves open which one decides, and Postern takes the order of the names. Use different priorities`;
  return { code: 'equal-priority', path: 'spec.priority', message, effect: 'enforced' };
}

function mayDisagree(a: Competitor, b: Competitor): boolean {
  const doDiffer = directions.some((direction) => {
    const [ofA, ofB] = [a.actions[direction], b.actions[direction]];
    return ofA.size > 0 && ofB.size > 0 && ofA.union(ofB).size > 1;
  });
  return doDiffer && !excludeEachOther(a.policy.appliesTo, b.policy.appliesTo);
}

function excludeEachOther(a: Selection, b: Selection): boolean {
  return selectorsExclude(namespacesOf(a), namespacesOf(b)) || selectorsExclude(a.pods, b.pods);
}

function namespacesOf({ namespaces }: Selection): Selector {
  return namespaces !== 'all' && 'selector' in namespaces ? namespaces.selector : [];
}

function selectorsExclude(a: Selector, b: Selector): boolean {
  if (a.length > mostTerms || b.length > mostTerms) return false;
  return a.some((one) => b.some((other) => requirementsExclude(one, other) || requirementsExclude(other, one)));
}

function requirementsExclude(a: Requirement, b: Requirement): boolean {
  if (a.key !== b.key || a.values.length > longestList || b.values.length > longestList) return false;
  if (a.operator === 'In') {
    if (b.operator === 'In') return !a.values.some((value) => b.values.includes(value));
    if (b.operator === 'NotIn') return a.values.every((value) => b.values.includes(value));
  }
  return b.operator === 'DoesNotExist' && (a.operator === 'In' || a.operator === 'Exists');
}
