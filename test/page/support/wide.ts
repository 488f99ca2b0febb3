import type { PageData } from '../../../src/map/page-data.ts';
import { ClusterData } from './cluster-data.ts';

const perNamespace = 10;
const ports = [8080, 5432, 6379, 9090, 443];

/** A cluster with so many workloads and edges; half of its namespaces deny what they do not allow. The same each time. */
export function wide(workloads: number, edges: number): PageData {
  const cluster = new ClusterData().node('n1').node('n2');
  const names = Array.from(
    { length: workloads },
    (_, index) => `team-${Math.floor(index / perNamespace)}/app-${index % perNamespace}`,
  );
  for (let index = 0; index < workloads / perNamespace; index++) {
    const namespace = `team-${index}`;
    cluster.namespace(namespace, { tier: `t${index % 5}` });
    if (index % 2 === 0) continue;
    cluster.policy(`${namespace}/default-deny`, { podSelector: {}, policyTypes: ['Ingress'] });
    cluster.policy(`${namespace}/allow`, {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [
        { from: [{ podSelector: {} }] },
        {
          from: [{ namespaceSelector: { matchLabels: { tier: 't1' } } }],
          ports: ports.slice(0, 3).map((port) => ({ port })),
        },
        { from: [{ namespaceSelector: { matchLabels: { tier: 't2' } } }] },
      ],
    });
  }
  for (const name of names) cluster.workload(name, 2, { http: 8080 });
  // Most connections stay near: three of four within a few namespaces.
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const seen = new Set<string>();
  while (seen.size < edges) {
    const from = random(workloads);
    const to = random(4) === 0 ? random(workloads) : (from + random(4 * perNamespace)) % workloads;
    const key = `${from} ${to}`;
    if (from === to || seen.has(key)) continue;
    seen.add(key);
    const verdict = random(12) === 0 ? 'denied' : 'allowed';
    cluster.flow(names[from]!, names[to]!, `TCP/${ports[random(ports.length)]!}`, verdict, [
      random(30) + 1,
      random(30),
      random(30),
    ]);
  }
  return cluster.build();
}
