import { heapGrowth } from '../lib/heap-growth.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { Clock } from './reconciler.ts';

/** So old it may be what is planned by. Whoever takes longer reads again. */
export const maxPrefetchAgeMs = 10_000;

/** Kernel tables that can be read before the caller asks. */
export interface PrefetchedTables extends KernelTables {
  /** To be called by who alone writes from now on. */
  begin(signal: AbortSignal): void;
}

/**
 * To read a large table takes nft seconds, in which the first lists can come in. Such a reading counts once, as long as it is young, and
 * nothing of ours has been written since it began. That another program has flushed or deleted a table of ours since, or a chain that every
 * packet meets, is seen as with any reading: after the first change the reconciler looks whether the kernel holds it.
 */
export function prefetchTables(kernel: KernelTables, clock: Pick<Clock, 'now'>): PrefetchedTables {
  let early: { readonly reading: ReturnType<KernelTables['observe']>; readonly begunAt: number } | undefined;
  return {
    begin(signal) {
      early = { reading: heapGrowth.during(() => kernel.observe(signal)), begunAt: clock.now() };
      // Told to who asks for it, if anybody does.
      early.reading.catch(() => {});
    },
    async observe(signal) {
      const taken = early;
      early = undefined;
      if (!taken || clock.now() - taken.begunAt > maxPrefetchAgeMs) return kernel.observe(signal);
      return taken.reading;
    },
    observeChain: (family, name, signal) => kernel.observeChain(family, name, signal),
    run(operations, options) {
      if (!options.check) early = undefined;
      return kernel.run(operations, options);
    },
  };
}
