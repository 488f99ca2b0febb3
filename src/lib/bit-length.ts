/** Bits that a whole number up to 32 bits needs: counts that differ by less than twice mostly have the same. */
export function bitLength(count: number): number {
  return 32 - Math.clz32(count);
}
