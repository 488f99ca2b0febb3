import type { NodeFact, ResourceEvent } from '../model/cluster.ts';
import type { Pipeline } from '../pipeline.ts';
import type { PlanSource } from './plan-source.ts';
import type { PodFetcher } from './pod-fetcher.ts';

export interface EventDispatcherOptions {
  readonly pipeline: Pick<Pipeline, 'receive' | 'inSync' | 'cniCacheComplete' | 'unknownSandboxes'>;
  readonly source: Pick<PlanSource, 'receive'>;
  readonly fetcher: Pick<PodFetcher, 'receive' | 'want'>;
}

/** Hands what the API server and the node tell to all that must know, and sees what it calls for: pods to ask for, and facts that follow. */
export function createEventDispatcher({
  pipeline,
  source,
  fetcher,
}: EventDispatcherOptions): (event: ResourceEvent | NodeFact) => void {
  let isCompleteReported = false;
  let isLooking = false;
  const look = (): void => {
    isLooking = false;
    // Before the first list of pods, none is known.
    if (pipeline.inSync) fetcher.want(pipeline.unknownSandboxes);
  };
  const take = (event: ResourceEvent | NodeFact): void => {
    pipeline.receive(event);
    fetcher.receive(event);
    source.receive(event);
    if (!isCompleteReported && pipeline.cniCacheComplete) {
      isCompleteReported = true;
      take({ op: 'cache-complete' });
    }
    // Once for all that comes in one piece.
    if (!isLooking) setImmediate(look);
    isLooking = true;
  };
  return take;
}
