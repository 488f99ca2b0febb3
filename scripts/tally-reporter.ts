import Mocha from 'mocha';
import { leftOut } from '../test/support/sample.ts';
import { messageOf } from '../src/lib/message-of.ts';
import { findSkipReason } from '../test/support/skip.ts';
import { reportTally } from './tally.ts';
import type { Skip } from './tally.ts';

/** mocha's spec reporter. It also writes a tally, and treats a skip without a reason as a failure. */
export default class TallyReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    let passed = 0;
    const failed: string[] = [];
    const skipped: Skip[] = [];
    runner.on('pass', () => passed++);
    runner.on('fail', (test, error) => failed.push(`${test.fullTitle()}: ${shorten(messageOf(error))}`));
    runner.on('pending', (test) => {
      const reason = findSkipReason(test);
      if (reason !== undefined) {
        skipped.push({ title: test.fullTitle(), reason });
        return;
      }
      runner.failures++;
      runner.emit('fail', test, new Error('skipped without a reason: call skipTest of test/support/skip.ts'));
    });
    // So the counts of a run that is stopped are not lost.
    runner.on('test end', () => reportTally({ passed, failed, skipped, leftOut, isPartial: true }));
    runner.once('end', () => reportTally({ passed, failed, skipped, leftOut }));
  }
}

/** Enough of a message to see what failed, on one line. */
function shorten(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
