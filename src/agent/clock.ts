/** Time and waiting come in as arguments. Times are milliseconds of a clock that never goes back. */
export interface Clock {
  now(): number;
  /** Calls back once after the delay, unless cancelled. */
  after(milliseconds: number, callback: () => void): { cancel(): void };
  /** A value in [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return { cancel: () => clearTimeout(timer) };
  },
  random: Math.random,
};
