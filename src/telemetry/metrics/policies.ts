import { Counter, Gauge, type Registry } from 'prom-client';

export interface PolicyFigures {
  readonly namespace: string;
  readonly policy: string;
  /** That it selects on this node. */
  readonly pods: number;
  /** In force; 0 where it is not known. */
  readonly generation: number;
}

type PolicyName = Pick<PolicyFigures, 'namespace' | 'policy'>;

/** Of single policies: of so many only as whoever tells of them chooses. */
export interface PolicyMetrics {
  /** Asked at each scrape. */
  figures(read: () => { readonly policies: Iterable<PolicyFigures>; readonly left: number }): void;
  denied(policy: PolicyName, connections: number): void;
  /** It has no series any more. */
  forget(policy: PolicyName): void;
}

export function createPolicyMetrics(registry: Registry): PolicyMetrics {
  const registers = [registry];
  const labelNames = ['namespace', 'policy'];
  let read: Parameters<PolicyMetrics['figures']>[0] = () => ({ policies: [], left: 0 });
  const gauge = (name: string, help: string, figure: 'pods' | 'generation'): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { namespace, policy, ...figures } of read().policies)
          this.set({ namespace, policy }, figures[figure]);
      },
    });
  };
  gauge('postern_policy_pods', 'Pods of this node that a policy selects.', 'pods');
  gauge(
    'postern_policy_generation',
    'The generation of a policy (`metadata.generation`) that the kernel of this node enforces; 0 for one that it refuses.',
    'generation',
  );
  const denied = new Counter({
    name: 'postern_policy_denied_connections_total',
    help: 'Connections noted as denied to or from pods that a policy isolates in that direction; of several such policies each counts.',
    labelNames,
    registers,
  });
  new Gauge({
    name: 'postern_policies_without_series',
    help: 'Policies that apply to a pod of this node and are beyond `--metrics-policy-limit`: the metrics of single policies leave them out.',
    registers,
    collect() {
      this.set(read().left);
    },
  });
  return {
    figures(each) {
      read = each;
    },
    denied: ({ namespace, policy }, connections) => denied.inc({ namespace, policy }, connections),
    forget: ({ namespace, policy }) => denied.remove({ namespace, policy }),
  };
}
