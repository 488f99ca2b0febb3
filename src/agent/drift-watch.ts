import type { Logger } from '../telemetry/logger.ts';
import type { Reconciler } from './reconciler.ts';
import { repeat } from './repeat.ts';

/**
 * Milliseconds between two looks. Each is at one of our tables in turn, so twice this and the restoring must be less than the second
 * that S7.16 allows, also on a node whose processors are busy. A look is one nft that lists one chain: 7 ms of a processor.
 */
const interval = 300;

/** Has our tables looked at again and again until the signal aborts. */
export function watchDrift(reconciler: Reconciler, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.error({ err }, 'could not look at our tables');
  repeat(interval, () => reconciler.verify(), { signal, failed });
}
