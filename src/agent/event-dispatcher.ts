import type { NodeFact, ResourceEvent } from '../model/cluster.ts';
import type { Pipeline } from '../pipeline.ts';
import type { PlanSource } from './plan-source.ts';
import type { PodFetcher } from './pod-fetcher.ts';

export interface EventDispatcherOptions {
  readonly pipeline: Pick<Pipeline, 'receive' | 'inSync' | 'cniCacheComplete' | 'unknownSandboxes'>;
  readonly source: Pick<PlanSource, 'receive'>;
  readonly fetcher: Pick<PodFetcher, 'receive' | 'want'>;
}

/** Passes events of the API server and facts of the node to all consumers. It then requests missing pods, and emits the fact that follows. */
export function createEventDispatcher({
  pipeline,
  source,
  fetcher,
}: EventDispatcherOptions): (event: ResourceEvent | NodeFact) => void {
  let isCompleteReported = false;
  let isScheduled = false;
  const requestPods = (): void => {
    isScheduled = false;
    // Before the first list of pods, every pod is unknown.
    if (pipeline.inSync) fetcher.want(pipeline.unknownSandboxes);
  };
  const dispatch = (event: ResourceEvent | NodeFact): void => {
    pipeline.receive(event);
    fetcher.receive(event);
    source.receive(event);
    if (!isCompleteReported && pipeline.cniCacheComplete) {
      isCompleteReported = true;
      dispatch({ op: 'cache-complete' });
    }
    // Runs once for all events of one batch.
    if (!isScheduled) setImmediate(requestPods);
    isScheduled = true;
  };
  return dispatch;
}
