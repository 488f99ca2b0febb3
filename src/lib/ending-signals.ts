import { constants } from 'node:os';

/** npm forwards a signal that the terminal has already sent to its child. Two signals within this time count as one. */
const echoMs = 300;

/**
 * Calls `end` at the first signal. At the second one, calls `giveUp` and exits at once with 128 plus the signal's number.
 * Returns a function that removes the listeners. Without a listener, signal-exit (a dependency of execa) lets the signal kill the process.
 */
export function onEndingSignal(
  signals: readonly NodeJS.Signals[],
  end: (signal: NodeJS.Signals) => void,
  giveUp: () => void = () => {},
): () => void {
  let firstAt: number | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      end(signal);
    } else if (performance.now() - firstAt > echoMs) {
      giveUp();
      process.exit(signalExitCode(signal));
    }
  };
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}

/** The exit code that a shell reports for a program killed by the signal: 130 for SIGINT. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
