import type { Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import type { Scene, Way } from './scene.ts';
import type { Tables } from './tables.ts';
import { small } from './traffic-kinds.ts';

const rounds = 17;

/** A rule set that `Tables` has loaded. */
export interface Variant {
  readonly name: string;
  readonly title: string;
}

interface Comparison<V extends Variant> {
  readonly scene: Scene;
  readonly tables: Tables;
  readonly way: Way;
  /** Rule sets that are measured in the same rounds; each is compared with the first of them. */
  readonly groups: readonly (readonly V[])[];
  readonly progress: (text: string) => void;
  /** @param kind of packets, as `small UDP` */
  readonly figureOf: (variant: V, kind: string) => Pick<Figure, 'id' | 'what' | 'bar'>;
}

/** Sends small packets of each kind under each rule set, and compares their rates. */
export async function compareAlike<V extends Variant>(comparison: Comparison<V>): Promise<Figure[]> {
  const { scene, tables, way, groups, progress, figureOf } = comparison;
  const figures: Figure[] = [];
  for (const each of small) {
    for (const alike of groups) {
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
      for (const other of others) {
        const runs = pairs(rates.get(other)!, rates.get(none!)!);
        figures.push({ unit: 'ratio', sides: '1/s', runs, ...figureOf(other, each.what) });
      }
    }
  }
  return figures;
}
