import Mocha from 'mocha';

/** How much longer than usual tests may take. `npm run matrix` sets `POSTERN_TIME_FACTOR` in its slow virtual machines. */
export const timeFactor = Number(process.env.POSTERN_TIME_FACTOR ?? '1');

/** How long tests wait for a lab. */
export const settleMs = 90_000 * timeFactor;

/** mocha sets the time limit of each test and hook by this method, and calls it without a limit to read it. Limits of suites come by their tests. */
type Timeout = (this: Mocha.Runnable, limit?: string | number) => unknown;
const prototype = Mocha.Runnable.prototype as unknown as { timeout: Timeout };
const setOrRead = prototype.timeout;
prototype.timeout = function stretched(limit) {
  return limit === undefined ? setOrRead.call(this) : setOrRead.call(this, Number(limit) * timeFactor);
};
