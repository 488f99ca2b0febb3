import Mocha from 'mocha';

/** How much longer than usual tests may take: `POSTERN_TIME_FACTOR`, which `npm run matrix` sets in its slow virtual machines. */
export const timeFactor = Number(process.env.POSTERN_TIME_FACTOR ?? '1');

/** mocha sets the time limit of each test and hook by this method. A suite's limit comes by its tests. */
const { timeout } = Mocha.Runnable.prototype;
Mocha.Runnable.prototype.timeout = function stretched(this: Mocha.Runnable, limit?: string | number) {
  if (limit === undefined) return timeout.call(this) as never;
  return timeout.call(this, Number(limit) * timeFactor) as never;
} as typeof timeout;
