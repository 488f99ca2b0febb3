/** The number of bits of an unsigned 32-bit integer. Most counts that differ by less than a factor of two have equal bit lengths. */
export function bitLength(count: number): number {
  return 32 - Math.clz32(count);
}
