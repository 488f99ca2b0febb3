import type { Run } from './figure.ts';

/**
 * Measures all variants in turn for a number of rounds, so that load of the machine affects all variants alike.
 * @returns The measurements of each variant, by round.
 */
export async function interleave<Variant>(
  variants: readonly Variant[],
  rounds: number,
  measure: (variant: Variant) => Promise<number>,
  progress: (done: number, of: number) => void,
): Promise<Map<Variant, number[]>> {
  const values = new Map<Variant, number[]>(variants.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round++) {
    // Each round starts with another variant, so that no variant always follows the same one.
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(i + round) % variants.length]!;
      values.get(variant)!.push(await measure(variant));
      progress(round * variants.length + i + 1, rounds * variants.length);
    }
  }
  return values;
}

/** Ratios of `ours` to `baseline`, by round. */
export function pairs(ours: readonly number[], baseline: readonly number[]): Run[] {
  return ours.map((value, i) => ({ value: value / baseline[i]!, ours: value, baseline: baseline[i]! }));
}
