/** Measures all variants in turn, as often as `rounds` says, so that what the machine does meanwhile meets all of them alike. Returns the least of each. */
export async function interleave<Variant>(
  variants: readonly Variant[],
  rounds: number,
  measure: (variant: Variant) => Promise<number>,
  progress: (done: number, of: number) => void,
): Promise<Map<Variant, number>> {
  const least = new Map<Variant, number>(variants.map((variant) => [variant, Infinity]));
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another variant, so that none always follows the same one.
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(i + round) % variants.length]!;
      least.set(variant, Math.min(least.get(variant)!, await measure(variant)));
      progress(round * variants.length + i + 1, rounds * variants.length);
    }
  }
  return least;
}
