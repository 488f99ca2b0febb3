import type { Bench, Figure } from '../figure.ts';
import { compareAlike, type Variant } from './alike.ts';
import { guardCounts, guards } from './guards.ts';
import { policyObjects } from './policies.ts';
import { compileNode, defaults, policiesAlone, type Checks } from './rule-sets.ts';
import { Scene, way } from './scene.ts';
import { Tables } from './tables.ts';
import { checkEnforcement } from './traffic.ts';

const networkPolicies = 10;

const checks: Readonly<Record<string, Checks>> = {
  'without gate and guard': policiesAlone,
  'with gate, guard and fast path': defaults,
};

interface Guarded extends Variant {
  readonly guards: number;
}

/** Whether packets are as fast with many ClusterNetworkPolicies as with none. */
export const tierTraffic: Bench = {
  name: 'tier-traffic',
  summary: 'traffic between two isolated pods with 10, 100 and 1,000 ClusterNetworkPolicies for every pod (B11)',
  against: 'the same with NetworkPolicies alone',
  async run(progress) {
    let figures: Figure[] = [];
    await Scene.with('routed', 'ipv4', async (scene) => {
      const variants = Object.keys(checks).map((title) => {
        return guardCounts.map((count): Guarded => ({
          name: `${title.replaceAll(/\W/g, '-')}-${count}`,
          title,
          guards: count,
        }));
      });
      progress('compiling');
      const tables = await Tables.load(
        scene,
        variants.flat().map(({ name, title, guards: count }) => {
          const { script } = compileNode(
            policyObjects(networkPolicies),
            checks[title]!,
            'routed',
            'ipv4',
            guards(count),
          );
          return { name, script };
        }),
      );
      await checkEnforcement(scene, tables, variants.flat());
      figures = await compareAlike({
        ...{ scene, tables, way, groups: variants, progress },
        figureOf: ({ guards: count, title }, kind) => ({
          id: 'B11',
          what: `${kind}, ${count.toLocaleString('en')} ClusterNetworkPolicies, ${title}`,
          bar: { atLeast: 0.95 },
        }),
      });
    });
    return figures;
  },
};
