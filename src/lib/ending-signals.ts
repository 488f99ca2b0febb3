import { constants } from 'node:os';

/** npm passes on to its child what a terminal has already sent to it: within this time, two signals are one. */
const echoMs = 300;

/**
 * Calls `end` when the process is first told to end. Told again, it calls `giveUp` and exits at once with 128 and the signal's number. Returns what ends
 * this. The listeners stay until then: with none left, signal-exit, which execa brings, lets the signal kill the process.
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

/** What a shell would report of a program that the signal ended: 130 for SIGINT. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
