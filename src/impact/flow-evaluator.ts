import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision, Flow } from '../evaluator/decision.ts';
import { evaluate } from '../evaluator/evaluator.ts';
import type { Pod } from '../evaluator/party.ts';
import { policiesOf } from '../evaluator/subject.ts';
import { ownersAt } from './owners.ts';

/** Evaluates many flows of one cluster. For each flow it passes only the policies that select one of the ends. */
export class FlowEvaluator {
  readonly cluster: Cluster;
  readonly #selecting = new Map<Pod, readonly number[]>();
  readonly #order: ReadonlyMap<Cluster['policies'][number], number>;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.#order = new Map(cluster.policies.map((policy, index) => [policy, index]));
  }

  evaluate(flow: Flow): Decision {
    const owners = [flow.source, flow.destination].flatMap((end) => ownersAt(this.cluster, end, flow.family));
    const indices = new Set(owners.flatMap((pod) => this.#policiesOf(pod)));
    // The order of policies decides the order of the reasons.
    const policies = [...indices].sort((a, b) => a - b).map((index) => this.cluster.policies[index]!);
    return evaluate({ ...this.cluster, policies }, flow);
  }

  #policiesOf(pod: Pod): readonly number[] {
    let found = this.#selecting.get(pod);
    if (!found) {
      found = policiesOf(this.cluster.policies, [pod]).map((policy) => this.#order.get(policy)!);
      this.#selecting.set(pod, found);
    }
    return found;
  }
}
