import type { Context, Runnable, Suite } from 'mocha';

const reasons = new WeakMap<Runnable | Suite, string>();

/**
 * Skips the running test, or from a hook all tests of its suite. Use it only for missing requirements of the machine. `npm test` prints
 * the reason above its last line.
 */
export function skipTest(context: Context, reason: string): never {
  const runnable = context.test!;
  reasons.set(isHook(runnable) ? runnable.parent! : runnable, reason);
  return context.skip();
}

/** The skip reason of a test or of an enclosing suite. */
export function findSkipReason(test: Runnable): string | undefined {
  let reason = reasons.get(test);
  for (let suite = test.parent; suite && reason === undefined; suite = suite.parent) reason = reasons.get(suite);
  return reason;
}

function isHook(runnable: Runnable): boolean {
  return 'type' in runnable && runnable.type === 'hook';
}
