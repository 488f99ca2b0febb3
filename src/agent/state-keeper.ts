import type { Snapshot } from '../model/snapshot.ts';
import type { SavedState } from '../state/saved-state.ts';
import { loadState, writeState } from '../state/state-file.ts';
import { StateWriter } from '../state/state-writer.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';
import type { Clock } from './clock.ts';

export interface StateKeeperOptions {
  /** `undefined`: the agent saves no state. */
  readonly directory: string | undefined;
  readonly node: string;
  readonly snapshot: () => Snapshot;
  /** Called when the disk holds the state of this revision of the Snapshot. */
  readonly saved: (revision: number) => void;
  readonly clock: Clock;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
}

/** Reads and writes the last good state of this node. It reports a failing disk and goes on. */
export interface StateKeeper {
  /** Reads the state that was saved before this start. Call it before anything is saved. */
  read(): Promise<SavedState | undefined>;
  /** To be called when the kernel holds the rules of the current cluster. */
  changed(): void;
  finish(): Promise<void>;
}

export function openStateKeeper(options: StateKeeperOptions): StateKeeper {
  const { directory, node, snapshot, saved, clock, metrics, logger } = options;
  if (directory === undefined) return { read: async () => undefined, changed: () => {}, finish: async () => {} };
  const read = async (): Promise<SavedState | undefined> => {
    const loaded = await loadState(directory, node);
    if (loaded.kind === 'unusable') logger.warn({ directory }, loaded.problem);
    if (loaded.kind !== 'state') return undefined;
    logger.info({ directory, savedAt: loaded.savedAt }, 'read the saved state of this node');
    return loaded.state;
  };
  let reading: Promise<SavedState | undefined> = Promise.resolve(undefined);
  let isFailing = false;
  const writer = new StateWriter({
    node,
    snapshot,
    write: (chunks) => writeState(directory, chunks),
    clock,
    observer: {
      current: saved,
      saved(bytes) {
        metrics.stateWrite('written');
        logger.debug({ directory, bytes }, 'saved the state of this node');
        if (isFailing) logger.info({ directory }, 'saved the state of this node again');
        isFailing = false;
      },
      failed(error, retryInMs) {
        metrics.stateWrite('failed');
        // The writer retries for as long as the disk fails, so only the first failure is logged.
        if (!isFailing) logger.warn({ err: error, retryIn: retryInMs / 1000 }, 'could not save the state of this node');
        isFailing = true;
      },
    },
  });
  return {
    read: () => (reading = read()),
    // A read renames an unusable file. It must not rename a file that was just written.
    changed: () => void reading.then(() => writer.changed()),
    async finish() {
      await reading;
      await writer.finish();
    },
  };
}
