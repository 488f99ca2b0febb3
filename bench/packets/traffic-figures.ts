import type { Figure } from '../figure.ts';
import { pairs } from '../measure.ts';
import { counts } from './policies.ts';
import type { Traffic } from './traffic-kinds.ts';
import type { Mode } from './traffic-program.ts';
import { none, type Variant } from './traffic-variants.ts';

const most = counts.at(-1)!;

export function figuresOf(
  id: string,
  node: string,
  { what, mode, bar }: Traffic,
  rates: ReadonlyMap<Variant, readonly number[]>,
  hasCurves = false,
): Figure[] {
  return [...rates.keys()]
    .filter((variant) => variant !== none)
    .map((variant) => ({
      id,
      what: `${node}: ${what}, ${variant.title}`,
      unit: 'ratio',
      ...(bar && (variant.kind === 'alone' || variant.kind === 'defaults') && { bar }),
      sides: sidesOf(mode),
      ...(hasCurves && variant.kind in lines && curveOf(what, variant)),
      runs: pairs(rates.get(variant)!, rates.get(none)!),
    }));
}

function sidesOf(mode: Mode): NonNullable<Figure['sides']> {
  return mode === 'bulk' || mode === 'stream' ? 'Mbit/s' : '1/s';
}

const lines = { alone: 'policies', defaults: 'with gate, guard and fast path', list: 'a list of rules' } as const;

function curveOf(what: string, { kind, policies }: Variant): Pick<Figure, 'curve'> {
  return { curve: { chart: what, line: lines[kind as keyof typeof lines], x: policies } };
}

/** Ratio of the most policies to the fewest, by round. */
export function flatness(
  node: string,
  { what, mode }: Traffic,
  rates: ReadonlyMap<Variant, readonly number[]>,
): Figure[] {
  const [fewest] = counts;
  return (['alone', 'defaults'] as const).flatMap((kind): Figure[] => {
    const [many, few] = [most, fewest].map((count) =>
      [...rates.keys()].find((variant) => variant.kind === kind && variant.policies === count),
    );
    if (!many || !few) return [];
    return [
      {
        id: 'B1',
        what: `${node}: ${what}, flat: ${many.title}, over ${fewest}`,
        unit: 'ratio',
        bar: { atLeast: 0.95 },
        sides: sidesOf(mode),
        runs: pairs(rates.get(many)!, rates.get(few)!),
      },
    ];
  });
}
