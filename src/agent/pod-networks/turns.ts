import type { Clock } from '../clock.ts';

export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Runs at most so many works at once, in the order in which they came.
 * @param rest after each work, its place stays empty for this many times as long as the work took
 */
export function limitTurns(most: number, clock: Pick<Clock, 'now' | 'after'>, rest = 0): Turn {
  const waiting: (() => void)[] = [];
  let running = 0;
  const release = (): void => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    const begunAt = clock.now();
    try {
      return await work();
    } finally {
      if (rest === 0) release();
      else clock.after(rest * (clock.now() - begunAt), release);
    }
  };
}
