import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import type { Family } from '../../src/model/address.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { upsert } from '../cluster/events.ts';
import { inFamily, objectInFamily } from './in-family.ts';
import { clusterObjects, linkOf, localPods, type LocalPod, type RawObject } from './policies.ts';
import type { Layout } from './scene.ts';

/** Settings of the agent. */
export interface Checks {
  readonly gate: boolean;
  readonly guard: boolean;
  /** Default: off. */
  readonly fastPath?: boolean;
}

/** The agent's defaults. */
export const defaults: Checks = { gate: true, guard: true, fastPath: true };
export const withoutFastPath: Checks = { ...defaults, fastPath: false };
export const policiesAlone: Checks = { gate: false, guard: false };

/** The baseline: connection tracking only, which a node with a Service proxy has in any case. */
export const baseline = ['ip', 'ip6']
  .map(
    (family) => `table ${family} base {
  chain forward { type filter hook forward priority 0; policy accept; ct state established accept; }
}
`,
  )
  .join('');

export interface Compiled {
  readonly snapshot: Snapshot;
  readonly ruleset: Ruleset;
  /** The script of the agent for an empty kernel. */
  readonly script: string;
}

/**
 * Compiles the rules of the node as the agent does.
 * @param ofCluster ClusterNetworkPolicies
 */
export function compileNode(
  policies: readonly RawObject[],
  checks: Checks,
  layout: Layout,
  family: Family = 'ipv4',
  ofCluster: readonly ResourceEvent[] = [],
): Compiled {
  const pipeline = new Pipeline('n1', checks);
  for (const event of ofCluster) pipeline.receive(event);
  for (const event of events(policies, layout, family)) pipeline.receive(event);
  const { stages, compiled } = pipeline.plan(undefined);
  if (compiled.oversized.size > 0) throw new Error(`the node leaves out ${[...compiled.oversized.keys()].join()}`);
  const script = stages.map(({ operations }) => renderScript(operations)).join('');
  return { snapshot: pipeline.snapshot, ruleset: compiled.ruleset, script };
}

function* events(policies: readonly RawObject[], layout: Layout, family: Family): Generator<ResourceEvent | NodeFact> {
  for (const object of [...policies, ...clusterObjects()]) yield upsert(objectInFamily(family, object));
  for (const pod of localPods()) yield sandboxOf(pod, layout, family);
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

function sandboxOf(pod: LocalPod, layout: Layout, family: Family): NodeFact {
  const { device: id, namespace } = pod;
  const address = inFamily(family, pod.address);
  const link = linkOf(pod, layout);
  return {
    op: 'sandbox',
    id,
    value: { id, namespace, name: id, uid: `uid-${id}`, addresses: [address], link, live: true, order: 1 },
  };
}
