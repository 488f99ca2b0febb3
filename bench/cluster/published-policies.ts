import { namespaceName } from './layout.ts';
import type { NamedSpec } from './named-spec.ts';
import type { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** One policy denies, two allow traffic among the pods of a label. */
export function antreaSpec(index: number): NamedSpec {
  const policyTypes = ['Ingress', 'Egress'];
  if (index === 0) return { name: 'default-deny-all', spec: { podSelector: {}, policyTypes } };
  const podSelector = { matchLabels: { [`app-${index}`]: `scale-${index}` } };
  return { name: `np-${index}`, spec: { podSelector, policyTypes, ingress: [{ from: [{ podSelector }] }] } };
}

const five = [0, 1, 2, 3, 4];
const podNumbers = Array.from({ length: 10 }, (_, i) => String(i + 1));

/** Half of the policies per direction. Each selects five pods; its peers are five pods of five namespaces, and five CIDRs. */
export function ovnSpec({ namespaces }: Shape, index: number, random: Random): NamedSpec {
  const direction = index % 2 === 0 ? 'ingress' : 'egress';
  const [peersField, policyType] =
    direction === 'ingress' ? (['from', 'Ingress'] as const) : (['to', 'Egress'] as const);
  const names = five.map((i) => namespaceName((random.below(namespaces / 5) + (i * namespaces) / 5) | 0));
  const ports = [
    ...five.map(() => ({ protocol: 'TCP', port: 1000 + random.below(1000) })),
    ...five.map((i) => {
      const port = 2000 + i * 1000 + random.below(500);
      return { protocol: 'TCP', port, endPort: port + 5 + random.below(400) };
    }),
  ];
  const peers = [
    {
      namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: names }] },
      podSelector: somePods(random),
    },
    ...five.map(() => ({
      ipBlock: { cidr: `${20 + random.below(60)}.${random.below(256)}.${random.below(256)}.0/24` },
    })),
  ];
  return {
    name: `${direction}-${index}`,
    spec: { podSelector: somePods(random), policyTypes: [policyType], [direction]: [{ [peersField]: peers, ports }] },
  };
}

function somePods(random: Random): object {
  return { matchExpressions: [{ key: 'num', operator: 'In', values: random.several(podNumbers, 5) }] };
}
