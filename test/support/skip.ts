import type { Context, Runnable, Suite } from 'mocha';

const reasons = new WeakMap<Runnable | Suite, string>();

/**
 * Ends the running test as skipped, or, from a hook, all tests of its suite. Only for what the machine lacks: the reason says what,
 * and stands above the last line of `npm test`.
 */
export function skipTest(context: Context, reason: string): never {
  const runnable = context.test!;
  reasons.set(isHook(runnable) ? runnable.parent! : runnable, reason);
  return context.skip();
}

/** The reason given for a test or for a suite around it. */
export function findSkipReason(test: Runnable): string | undefined {
  let reason = reasons.get(test);
  for (let suite = test.parent; suite && reason === undefined; suite = suite.parent) reason = reasons.get(suite);
  return reason;
}

function isHook(runnable: Runnable): boolean {
  return 'type' in runnable && runnable.type === 'hook';
}
