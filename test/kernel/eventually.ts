import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { timeFactor } from '../support/time-factor.ts';

/** Asks until the answer is `undefined`. The last other answer says what was still missing when patience ended. */
export async function eventually(missing: () => Promise<string | undefined>, seconds = 60): Promise<void> {
  const deadline = Date.now() + seconds * 1000 * timeFactor;
  for (;;) {
    const answer = await missing();
    if (answer === undefined) return;
    if (Date.now() > deadline) assert.fail(`after ${seconds} s: ${answer}`);
    await delay(20);
  }
}
