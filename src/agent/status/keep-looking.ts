import { ApiError } from '../../watch/api-error.ts';
import { backoffDelay } from '../../watch/backoff.ts';

interface Options {
  readonly signal: AbortSignal;
  /** Resolves early when the signal aborts. */
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly random: () => number;
  /** Called with the first of a series of failures. */
  readonly failed: (error: unknown) => void;
  readonly recovered: () => void;
}

const backoff = { firstMs: 1000, maxMs: 60_000 };
/** Without the right, no try succeeds before somebody grants it. */
const forbiddenMs = 600_000;

/** Looks again and again, with the pause that each look asks for, until the signal aborts. After a failure it pauses longer. Never rejects. */
export async function keepLooking(
  look: () => Promise<number>,
  { signal, sleep, random, failed, recovered }: Options,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    let pause: number;
    try {
      pause = await look();
      if (failures > 0) recovered();
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (failures === 0) failed(error);
      const isForbidden = error instanceof ApiError && error.status === 403;
      pause = isForbidden ? forbiddenMs * (0.5 + random()) : backoffDelay(failures, backoff, random);
      failures++;
    }
    await sleep(pause);
  }
}
