import type { Logger } from '../telemetry/logger.ts';
import type { Reconciler } from './reconciler.ts';
import { repeat } from './repeat.ts';

/**
 * Milliseconds between two looks at all our tables: with the looks and the restoring less than the second that S7.16 allows, also on a
 * node whose processors are busy. A look lists one chain of each table (nft 1.1.3 finds only the last of several tables): 0.2 ms of a processor by the
 * nft that stays, 7 ms where one has to be started.
 */
const interval = 300;

/** Has our tables looked at again and again until the signal aborts. */
export function watchDrift(reconciler: Reconciler, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.error({ err }, 'could not look at our tables');
  repeat(interval, () => reconciler.verify(), { signal, failed });
}
