import type { Layout, NamespaceLayout } from './layout.ts';
import { mixedSpec } from './mixed-policies.ts';
import type { NamedSpec } from './named-spec.ts';
import { antreaSpec, ovnSpec } from './published-policies.ts';
import type { Random } from './random.ts';

export function* policyObjects({ shape }: Layout, namespace: NamespaceLayout, random: Random): Generator<object> {
  for (let i = 0; i < namespace.policies; i++) {
    const { name, spec } = specOf(shape, namespace, i, random);
    yield {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        name,
        namespace: namespace.name,
        uid: random.uid(),
        resourceVersion: String(random.bits()),
        generation: 1,
        creationTimestamp: '2026-05-04T08:15:30Z',
      },
      spec,
    };
  }
}

function specOf(shape: Layout['shape'], namespace: NamespaceLayout, index: number, random: Random): NamedSpec {
  switch (shape.style) {
    case 'mixed':
      return mixedSpec(shape, namespace, index, random);
    case 'ovn':
      return ovnSpec(shape, index, random);
    case 'antrea':
      return antreaSpec(index);
  }
}
