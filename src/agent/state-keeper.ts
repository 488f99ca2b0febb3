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

/** To make the text of a large state takes a moment in which nothing else is done: who asks whether we are ready goes first. */
const leisureMs = 100;

/** The last good state of this node: what there was at start, and the way to keep it. A disk that fails is told of, and stops nothing. */
export interface StateKeeper {
  /** What was kept before this start, as long as nothing has been kept since. */
  read(): Promise<SavedState | undefined>;
  /** The kernel holds what the cluster says. */
  changed(): void;
  finish(): Promise<void>;
}

export function openStateKeeper(options: StateKeeperOptions): StateKeeper {
  const { directory, node, snapshot, clock, metrics, logger } = options;
  if (directory === undefined) return { read: async () => undefined, changed: () => {}, finish: async () => {} };
  const read = async (): Promise<SavedState | undefined> => {
    const loaded = await loadState(directory, node);
    if (loaded.kind === 'unusable') logger.warn({ directory }, loaded.problem);
    if (loaded.kind !== 'state') return undefined;
    logger.info({ directory, savedAt: loaded.savedAt }, 'read what this node had kept');
    return loaded.state;
  };
  let reading: Promise<SavedState | undefined> = Promise.resolve(undefined);
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
  let waiting: { cancel(): void } | undefined;
  const tellWriter = (): void => {
    waiting?.cancel();
    waiting = undefined;
    // What cannot be used is renamed: not what has just been written in its place.
    void reading.then(() => writer.changed());
  };
  return {
    read: () => (reading = read()),
    changed: () => void (waiting ??= clock.after(leisureMs, tellWriter)),
    async finish() {
      if (waiting) tellWriter();
      await reading;
      await writer.finish();
    },
  };
}
