import { clusterNamespace } from './budgets.ts';
import { namespaceOf, payerOf, payerOfAudits } from '../model/budget.ts';
import { auditTier, type Policy, type PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Excess } from './budgets.ts';

/** Why a policy is left out: the policy or its namespace is over a budget. */
export interface Oversize extends Excess {
  /** `groups`: filling the groups of its namespace is over budget, so the indexer did not fill the policy's groups. */
  readonly of: 'policy' | 'namespace' | 'groups';
  /** Estimated cost of the policy alone; for `groups`, its number of groups. */
  readonly own: number;
  /** The policy is in audit, so only its audit is left out (S13.5). */
  readonly isAudit?: true;
}

interface Decision {
  /** All objects that the decision depends on. With the same objects, the decision is the same. */
  readonly of: readonly unknown[];
  readonly oversized: readonly (readonly [PolicyId, Oversize])[];
}

/**
 * Remembers the policies that were left out. Finding them takes several rounds. While nothing changes in the namespaces over budget, changes of
 * other namespaces must not wait for these rounds again.
 */
export class LeftOutMemory {
  #decisions: ReadonlyMap<string, Decision> = new Map();

  recall(snapshot: Snapshot, refused: ReadonlySet<PolicyId>): [PolicyId, Oversize][] {
    if (this.#decisions.size === 0) return [];
    const now = dependenciesOf(new Set(this.#decisions.keys()), snapshot, refused);
    return [...this.#decisions].flatMap(([namespace, { of, oversized }]) => {
      const current = now.get(namespace)!;
      const isSame = of.length === current.length && of.every((each, index) => each === current[index]);
      return isSame ? oversized.map(([id, why]): [PolicyId, Oversize] => [id, why]) : [];
    });
  }

  /** @param budget a namespace's full budget; decisions with a smaller one depend on other namespaces, so they are not remembered */
  remember(
    oversized: ReadonlyMap<PolicyId, Oversize>,
    budget: number,
    snapshot: Snapshot,
    refused: ReadonlySet<PolicyId>,
  ): void {
    const byNamespace = Map.groupBy(
      oversized.entries().filter(([, { of }]) => of !== 'groups'),
      ([id]) => payerOf(snapshot.policies.get(id) ?? { id, tier: 'NetworkPolicy' }),
    );
    for (const [namespace, all] of byNamespace) {
      if (all.some(([, why]) => why.of === 'namespace' && why.budget !== budget)) byNamespace.delete(namespace);
    }
    if (byNamespace.size === 0 && this.#decisions.size === 0) return;
    const now = dependenciesOf(new Set(byNamespace.keys()), snapshot, refused);
    this.#decisions = new Map(
      byNamespace.entries().map(([namespace, all]) => [namespace, { of: now.get(namespace)!, oversized: all }]),
    );
  }
}

function dependenciesOf(
  namespaces: ReadonlySet<string>,
  { localPods, policies, groups }: Snapshot,
  refused: ReadonlySet<PolicyId>,
): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>([...namespaces].map((namespace) => [namespace, []]));
  for (const pod of localPods.values()) {
    const namespace = namespaceOf(pod.key);
    // What the policies of the cluster cost depends on all pods.
    for (const payer of [namespace, payerOfAudits(namespace), clusterNamespace]) found.get(payer)?.push(pod);
  }
  for (const policy of policies.values()) {
    const ofNamespace = found.get(payerOf(policy));
    if (!ofNamespace) continue;
    ofNamespace.push(policy, refused.has(policy.id));
    for (const id of policy.groups.keys()) ofNamespace.push(groups.get(id));
  }
  return found;
}

/** Policies that the indexer left out. The Snapshot already has them without rules. */
export function* withoutGroups({ leftOut = new Map(), policies }: Snapshot): Generator<[PolicyId, Oversize]> {
  for (const [id, { groups, budget }] of leftOut) {
    yield [id, { of: 'groups', own: groups, cost: budget, budget, ...markOf(policies.get(id)) }];
  }
}

/** Marks a policy in audit. */
export function markOf(policy: Pick<Policy, 'tier'> | undefined): Pick<Oversize, 'isAudit'> {
  return policy?.tier === auditTier ? { isAudit: true } : {};
}
