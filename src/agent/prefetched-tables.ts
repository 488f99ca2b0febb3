import { heapGrowth } from '../lib/heap-growth.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { Clock } from './clock.ts';

/** Milliseconds. An older read counts only if nothing can have changed since. */
export const maxPrefetchAgeMs = 10_000;

/** KernelTables that can start to read before `observe` is called. */
export interface PrefetchedTables extends KernelTables {
  /** Starts to read, unless `observe` was called before. Call it once this agent is the only one that writes. */
  begin(signal: AbortSignal): void;
  /** The read that `begin` started, until `observe` takes it or the agent writes. */
  readonly early: ReturnType<KernelTables['observe']> | undefined;
}

/**
 * Reading a large table takes a second, and the first lists can arrive meanwhile. The prefetched read is used once, if the agent has written nothing since
 * it began, and if it is recent or nothing has changed. Another program may still flush or delete our tables after the read. The reconciler detects that
 * as always: after the first change it checks the chains that every packet meets.
 */
export function prefetchTables(
  kernel: KernelTables,
  clock: Pick<Clock, 'now'>,
  isCurrent: () => boolean,
): PrefetchedTables {
  let isObserved = false;
  let early: { readonly reading: ReturnType<KernelTables['observe']>; readonly begunAt: number } | undefined;
  return {
    get early() {
      return early?.reading;
    },
    begin(signal) {
      if (isObserved) return;
      early = { reading: heapGrowth.during(() => kernel.observe(signal)), begunAt: clock.now() };
      // `observe` reports the error. Without a call of `observe`, it must not be an unhandled rejection.
      early.reading.catch(() => {});
    },
    async observe(signal) {
      const taken = early;
      isObserved = true;
      early = undefined;
      if (!taken) return kernel.observe(signal);
      if (clock.now() - taken.begunAt > maxPrefetchAgeMs && !isCurrent()) return kernel.observe(signal);
      return taken.reading;
    },
    observeChain: (family, name, signal) => kernel.observeChain(family, name, signal),
    run(operations, options) {
      if (!options.check) early = undefined;
      return kernel.run(operations, options);
    },
  };
}
