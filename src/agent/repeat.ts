import { setTimeout as delay } from 'node:timers/promises';

/** Does it again and again, with a pause between, until the signal aborts. What fails ends nothing; of a series of failures the first is told. */
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
