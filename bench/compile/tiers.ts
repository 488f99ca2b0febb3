import { performance } from 'node:perf_hooks';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { clusterEvents } from '../cluster/events.ts';
import { shapes, type Shape } from '../cluster/shapes.ts';
import type { Bench, Figure, Run } from '../figure.ts';
import { imagePipeline } from '../image-flags.ts';

const count = 100;
const rounds = 15;

export const tiers: Bench = {
  name: 'tiers',
  summary: 'what ClusterNetworkPolicies for every pod add to the first rule set (B10)',
  against: 'the same cluster without them',
  async run(progress) {
    return [shapes.small, shapes.uniform].map((shape) => measure(shape, progress));
  },
};

function measure(shape: Shape, progress: (message: string) => void): Figure {
  const events = [...clusterEvents(shape)];
  const guarded = [...clusterEvents({ ...shape, clusterPolicies: count })];
  const runs: Run[] = [];
  // The first round warms up the compiler of JavaScript.
  for (let round = 0; round <= rounds; round++) {
    progress(`${shape.name}: round ${round} of ${rounds}`);
    const [baseline, ours] = [secondsOf(shape, events), secondsOf(shape, guarded)];
    if (round > 0) runs.push({ value: ours / baseline, ours: ours * 1000, baseline: baseline * 1000 });
  }
  const what = `events, compile and render with ${count} ClusterNetworkPolicies for every pod, ${shape.name}: ${shape.pods} pods, ${shape.policies} NetworkPolicies`;
  return { id: 'B10', what, unit: 'ratio', sides: 'ms', bar: { atMost: 1.3 }, runs };
}

function secondsOf({ nodeName }: Shape, events: readonly ResourceEvent[]): number {
  const started = performance.now();
  const pipeline = new Pipeline(nodeName, imagePipeline);
  for (const event of events) pipeline.receive(event);
  for (const { operations } of pipeline.plan(undefined).stages) renderScript(operations);
  return (performance.now() - started) / 1000;
}
