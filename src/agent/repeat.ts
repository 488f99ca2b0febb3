import { setTimeout as delay } from 'node:timers/promises';

/** Runs the task repeatedly, with a pause after each run, until the signal aborts. A failure does not end the loop. `failed` gets only the first of a series of failures. */
export function repeat(
  pauseMs: number,
  task: () => Promise<void>,
  { signal, failed }: { readonly signal: AbortSignal; readonly failed: (error: unknown) => void },
): void {
  const run = async (): Promise<void> => {
    for (let failures = 0; ; await delay(pauseMs, undefined, { signal })) {
      try {
        await task();
        failures = 0;
      } catch (error) {
        if (failures++ === 0 && !signal.aborted) failed(error);
      }
    }
  };
  run().catch(() => {
    // Aborted.
  });
}
