import { interleave, pairs } from '../measure.ts';
import { ports, spaces } from './policies.ts';
import { compileNode as compileNew, defaults } from './rule-sets.ts';
import { openWay, Scene, way } from './scene.ts';
import { Tables } from './tables.ts';
const old = await import(process.argv[2]! + '/bench/packets/rule-sets.ts');
const oldPolicies = () => {
  const peers = [{ namespaceSelector: {}, podSelector: { matchLabels: { role: 'end' } } }];
  const allowed = [{ protocol: 'UDP', port: ports.tuple }];
  return spaces.map((namespace) => ({
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'plain' },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: peers, ports: allowed }],
      egress: [{ to: peers, ports: allowed }],
    },
  }));
};
const rounds = Number(process.argv[3] ?? 25);
for (const layout of ['bridged', 'routed'] as const) {
  await Scene.with(layout, async (scene) => {
    const tables = await Tables.load(scene, [
      { name: 'old', script: old.compileNode(oldPolicies(), defaults, layout).script },
      { name: 'new', script: compileNew(oldPolicies() as never, defaults, layout).script },
    ]);
    for (const [ends, each] of Object.entries({ open: openWay, isolated: way })) {
      for (const mode of ['udp', 'answered'] as const) {
        const costs = await interleave(
          ['old', 'new', undefined] as const,
          rounds,
          async (name) => {
            await tables.choose(name);
            return scene.rate(each, mode, ports.tuple, 200);
          },
          () => {},
        );
        const runs = pairs(costs.get('new')!, costs.get('old')!)
          .map((p: any) => p.ratio ?? p)
          .sort();
        const med = (l: number[]) => [...l].sort((a, b) => a - b)[l.length >> 1]!;
        console.log(
          layout,
          ends,
          mode,
          'new/old rate: medians',
          (med(costs.get('new')!) / med(costs.get('old')!)).toFixed(4),
          'pairwise median',
          med(costs.get('new')!.map((v, i) => v / costs.get('old')![i]!)).toFixed(4),
          'old/base',
          (med(costs.get('old')!) / med(costs.get(undefined)!)).toFixed(3),
        );
      }
    }
  });
}
