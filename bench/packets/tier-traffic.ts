import type { Bench, Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import { guardCounts, guards } from './guards.ts';
import { policyObjects } from './policies.ts';
import { compileNode, defaults, policiesAlone, type Checks } from './rule-sets.ts';
import { Scene, way } from './scene.ts';
import { Tables } from './tables.ts';
import { checkEnforcement } from './traffic.ts';
import { small } from './traffic-kinds.ts';

const rounds = 17;
const networkPolicies = 10;

const checks: Readonly<Record<string, Checks>> = {
  'without gate and guard': policiesAlone,
  'with gate, guard and fast path': defaults,
};

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly guards: number;
}

/** Whether packets are as fast with many ClusterNetworkPolicies as with none. */
export const tierTraffic: Bench = {
  name: 'tier-traffic',
  summary: 'traffic between two isolated pods with 10, 100 and 1,000 ClusterNetworkPolicies for every pod (B11)',
  against: 'the same with NetworkPolicies alone',
  async run(progress) {
    const figures: Figure[] = [];
    await Scene.with('routed', 'ipv4', async (scene) => {
      const variants = Object.keys(checks).map((title) => {
        return guardCounts.map((count): Variant => ({
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
      for (const each of small) {
        for (const alike of variants) {
          await scene.forgetConnections();
          const rates = await interleave(
            alike,
            rounds,
            async ({ name }) => {
              await tables.choose(name);
              return scene.rate(way, each.mode, each.port, each.milliseconds);
            },
            (done, of) => progress(`${each.what}, ${alike[0]!.title}, ${done} of ${of} runs`),
          );
          const [none, ...others] = alike;
          figures.push(
            ...others.map(({ title, guards: count }, index): Figure => ({
              id: 'B11',
              what: `${each.what}, ${count.toLocaleString('en')} ClusterNetworkPolicies, ${title}`,
              unit: 'ratio',
              bar: { atLeast: 0.95 },
              sides: '1/s',
              runs: pairs(rates.get(others[index]!)!, rates.get(none!)!),
            })),
          );
        }
      }
    });
    return figures;
  },
};
