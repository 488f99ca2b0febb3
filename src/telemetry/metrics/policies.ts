import { Counter, Gauge, type Registry } from 'prom-client';

export interface PolicyFigures {
  /** `Admin`, `NetworkPolicy` or `Baseline`. */
  readonly tier: string;
  /** Empty for a ClusterNetworkPolicy. */
  readonly namespace: string;
  readonly policy: string;
  /** Pods of this node that the policy selects. */
  readonly pods: number;
  /** The generation in force; 0 if it is unknown. */
  readonly generation: number;
}

type PolicyName = Pick<PolicyFigures, 'tier' | 'namespace' | 'policy'>;

/** Metrics of single policies. The caller limits their number. */
export interface PolicyMetrics {
  /** `read` is called at each scrape. `left` is the number of policies without metrics. */
  figures(read: () => { readonly policies: Iterable<PolicyFigures>; readonly left: number }): void;
  denied(policy: PolicyName, connections: number): void;
  /** Removes the policy's series. */
  forget(policy: PolicyName): void;
}

export function createPolicyMetrics(registry: Registry): PolicyMetrics {
  const registers = [registry];
  const labelNames = ['tier', 'namespace', 'policy'];
  let read: Parameters<PolicyMetrics['figures']>[0] = () => ({ policies: [], left: 0 });
  const gauge = (name: string, help: string, figure: 'pods' | 'generation'): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { tier, namespace, policy, ...figures } of read().policies)
          this.set({ tier, namespace, policy }, figures[figure]);
      },
    });
  };
  gauge('postern_policy_pods', 'Pods of this node that a policy selects.', 'pods');
  gauge(
    'postern_policy_generation',
    'The `metadata.generation` of a policy that the kernel of this node enforces; 0 if the kernel refused the policy.',
    'generation',
  );
  const denied = new Counter({
    name: 'postern_policy_denied_connections_total',
    help: 'Recorded denied connections, by the policy that denied them. NetworkPolicies that isolate a pod deny together, so each of them counts.',
    labelNames,
    registers,
  });
  new Gauge({
    name: 'postern_policies_without_series',
    help: 'Policies that apply to a pod of this node and have no metrics, because `--metrics-policy-limit` is reached.',
    registers,
    collect() {
      this.set(read().left);
    },
  });
  return {
    figures(each) {
      read = each;
    },
    denied: ({ tier, namespace, policy }, connections) => denied.inc({ tier, namespace, policy }, connections),
    forget: ({ tier, namespace, policy }) => denied.remove({ tier, namespace, policy }),
  };
}
