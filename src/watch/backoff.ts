export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Doubles with each failure up to a maximum. The upper half is random, so that the nodes of a cluster do not retry together. Returns milliseconds. */
export function backoffDelay(failures: number, limits: BackoffLimits, random: () => number): number {
  const whole = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(failures, 30));
  return whole * (0.5 + random() / 2);
}
