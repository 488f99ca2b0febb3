/** Number of packets, and number of those that were wrongly passed or lost. */
export interface Share {
  readonly bad: number;
  readonly of: number;
}

export interface Result {
  readonly name: string;
  readonly title: string;
  readonly tries: number;
  readonly forbiddenThrough: Share;
  readonly allowedLost: Share;
  /** Recovery time of each try in milliseconds. */
  readonly timesToRight: readonly number[];
  readonly window?: number;
  /** Why the fault did not complete. */
  readonly error?: string;
}

/** The broken guarantees of a result. */
export function brokenPromises({ forbiddenThrough, allowedLost, timesToRight, window, error }: Result): string[] {
  const broken: string[] = [];
  if (error !== undefined) broken.push(error.split('\n')[0]!);
  if (allowedLost.bad > 0) broken.push(`${allowedLost.bad} allowed packets were lost`);
  if (window === undefined && forbiddenThrough.bad > 0) {
    broken.push(`${forbiddenThrough.bad} forbidden packets passed`);
  }
  if (forbiddenThrough.of === 0 || allowedLost.of === 0) broken.push('nothing was sent');
  const longest = Math.max(...timesToRight);
  if (window !== undefined && longest > window) broken.push(`it took ${Math.round(longest)} ms, not ${window} at most`);
  return broken;
}
