import type { PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Excess } from './budgets.ts';
import { namespaceOf } from './policy-cost.ts';

/** Why a policy is left out: it or its namespace is over a budget. */
export interface Oversize extends Excess {
  /** `groups`: looking for the members of its namespace's groups costs too much, and those of the policy were not looked for. */
  readonly of: 'policy' | 'namespace' | 'groups';
  /** What the policy alone costs, as far as that can be said before anything is made of it; of groups, how many it has. */
  readonly own: number;
}

interface Decision {
  /** All objects on which it depends: with the very same ones it would be the same. */
  readonly of: readonly unknown[];
  readonly oversized: readonly (readonly [PolicyId, Oversize])[];
}

/**
 * Which policies were left out last. To find that out takes several rounds, and the changes of others must not wait for them again while nothing
 * changes in the namespaces that are over their budgets.
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

  /** @param budget of a namespace where the node has room; where it has none, it depends on the others too, and is not remembered */
  remember(
    oversized: ReadonlyMap<PolicyId, Oversize>,
    budget: number,
    snapshot: Snapshot,
    refused: ReadonlySet<PolicyId>,
  ): void {
    const byNamespace = Map.groupBy(
      oversized.entries().filter(([, { of }]) => of !== 'groups'),
      ([id]) => namespaceOf(id),
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
  for (const pod of localPods.values()) found.get(namespaceOf(pod.key))?.push(pod);
  for (const policy of policies.values()) {
    const ofNamespace = found.get(namespaceOf(policy.id));
    if (!ofNamespace) continue;
    ofNamespace.push(policy, refused.has(policy.id));
    for (const id of policy.groups.keys()) ofNamespace.push(groups.get(id));
  }
  return found;
}

/** They have no rules any more, so nothing else has to be done. */
export function* withoutGroups({ leftOut = new Map() }: Snapshot): Generator<[PolicyId, Oversize]> {
  for (const [id, { groups, budget }] of leftOut) yield [id, { of: 'groups', own: groups, cost: budget, budget }];
}
