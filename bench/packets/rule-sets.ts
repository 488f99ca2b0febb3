import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { upsert } from '../cluster/events.ts';
import { clusterObjects, linkOf, localPods, type LocalPod, type RawObject } from './policies.ts';
import type { Layout } from './scene.ts';

/** What the agent is told besides the policies. */
export interface Checks {
  readonly gate: boolean;
  readonly guard: boolean;
}

/** As the agent has them unless it is told otherwise. */
export const defaults: Checks = { gate: true, guard: true };
export const policiesAlone: Checks = { gate: false, guard: false };

/** Connection tracking alone, as a node with a service proxy has it anyway: what the others are compared with. */
export const baseline = `table ip base {
  chain forward { type filter hook forward priority 0; policy accept; ct state established accept; }
}
`;

export interface Compiled {
  readonly snapshot: Snapshot;
  readonly ruleset: Ruleset;
  /** What the agent would load into an empty kernel. */
  readonly script: string;
}

/** The rules of the node, as the product makes them. */
export function compileNode(policies: readonly RawObject[], checks: Checks, layout: Layout): Compiled {
  const pipeline = new Pipeline('n1', checks);
  for (const event of events(policies, layout)) pipeline.receive(event);
  const { stages, compiled } = pipeline.plan(undefined);
  if (compiled.oversized.size > 0) throw new Error(`the node leaves out ${[...compiled.oversized.keys()].join()}`);
  const script = stages.map(({ operations }) => renderScript(operations)).join('');
  return { snapshot: pipeline.snapshot, ruleset: compiled.ruleset, script };
}

function* events(policies: readonly RawObject[], layout: Layout): Generator<ResourceEvent | NodeFact> {
  for (const object of [...policies, ...clusterObjects()]) yield upsert(object);
  for (const pod of localPods()) yield sandboxOf(pod, layout);
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

function sandboxOf(pod: LocalPod, layout: Layout): NodeFact {
  const { device: id, namespace, address } = pod;
  const link = linkOf(pod, layout);
  return {
    op: 'sandbox',
    id,
    value: { id, namespace, name: id, uid: `uid-${id}`, addresses: [address], link, live: true, order: 1 },
  };
}
