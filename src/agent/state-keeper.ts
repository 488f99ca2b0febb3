import type { Snapshot } from '../model/snapshot.ts';
import type { SavedState } from '../state/saved-state.ts';
import { loadState, writeState } from '../state/state-file.ts';
import { StateWriter } from '../state/state-writer.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';
import type { Clock } from './reconciler.ts';

export interface StateKeeperOptions {
  /** `undefined`: nothing is kept. */
  readonly directory: string | undefined;
  readonly node: string;
  readonly snapshot: () => Snapshot;
  readonly clock: Clock;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
}

/** The last good state of this node: what there was at start, and the way to keep it. A disk that fails is told of, and stops nothing. */
export interface StateKeeper {
  readonly saved: SavedState | undefined;
  /** The kernel holds what the cluster says. */
  changed(): void;
  finish(): Promise<void>;
}

export async function openStateKeeper(options: StateKeeperOptions): Promise<StateKeeper> {
  const { directory, node, snapshot, clock, metrics, logger } = options;
  if (directory === undefined) return { saved: undefined, changed: () => {}, finish: async () => {} };
  const loaded = await loadState(directory, node);
  if (loaded.kind === 'unusable') logger.warn({ directory }, loaded.problem);
  if (loaded.kind === 'state') logger.info({ directory, savedAt: loaded.savedAt }, 'read what this node had kept');
  let isFailing = false;
  const writer = new StateWriter({
    node,
    snapshot,
    write: (text) => writeState(directory, text),
    clock,
    observer: {
      saved(bytes) {
        metrics.stateWrite('written');
        logger.debug({ directory, bytes }, 'kept the state of this node');
        if (isFailing) logger.info({ directory }, 'the state of this node is kept again');
        isFailing = false;
      },
      failed(error, retryInMs) {
        metrics.stateWrite('failed');
        // Again and again, for as long as the disk fails.
        if (!isFailing) logger.warn({ err: error, retryIn: retryInMs / 1000 }, 'could not keep the state of this node');
        isFailing = true;
      },
    },
  });
  return {
    saved: loaded.kind === 'state' ? loaded.state : undefined,
    changed: () => writer.changed(),
    finish: () => writer.finish(),
  };
}
