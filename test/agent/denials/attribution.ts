import assert from 'node:assert/strict';
import { describeDenials, judgeDenial, subjectOf, type Knowledge } from '../../../src/agent/denials/describe-denial.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';
import type { Cluster } from '../../../src/evaluator/cluster.ts';
import type { End } from '../../../src/evaluator/decision.ts';
import { attribute, type DeniedBy } from '../../../src/evaluator/denial.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { directions, type PolicyId } from '../../../src/model/policy.ts';
import type { Pipeline } from '../../../src/pipeline.ts';

export type Tuple = Pick<RecordedDenial, 'family' | 'source' | 'destination' | 'protocol' | 'port'>;

export function knowledgeOf(pipeline: Pipeline, node = 'n1'): Knowledge {
  const { policies, denied } = pipeline.snapshot;
  const ownersOf = (address: string) => pipeline.ownersOf(address);
  return { node, ownersOf, policies, denied, isThere: () => true, leftOut: new Map(), limitedNames: new Map() };
}

/** The policies that a script would read from the answer of `postern denials -o json`. */
function deniers({ policy }: DeniedBy, { isolatedBy }: End): string[] {
  return policy === undefined ? [...isolatedBy] : [policy];
}

/** Whether an agent says of a connection what the evaluator says of the whole cluster, at each end that denies it; of how many it was asked. */
export function assertAttributed(
  tuple: Tuple,
  {
    cluster,
    objects,
    pipelineAt,
    leftOut = new Set(),
  }: {
    cluster: Cluster;
    objects: readonly JsonObject[];
    pipelineAt: (address: string) => Pipeline;
    leftOut?: ReadonlySet<PolicyId>;
  },
): number {
  let asked = 0;
  for (const direction of directions) {
    const denial: RecordedDenial = { ...tuple, direction, packets: 1, secondsAgo: 0 };
    const { from, to, deniedBy, end } = attribute(cluster, denial);
    if (end.verdict === 'allowed' || !end.judged) continue;
    asked++;
    const known: Knowledge = {
      ...knowledgeOf(pipelineAt(direction === 'egress' ? tuple.source : tuple.destination)),
      leftOut: new Map([...leftOut].map((id) => [id, 'too-large'])),
    };
    const subject = subjectOf(denial, known);
    const texts = objects.filter((object) => {
      const { namespace, name } = object['metadata'] as { namespace: string; name: string };
      return object['kind'] === 'NetworkPolicy' && subject.policies.some(({ id }) => id === `${namespace}/${name}`);
    });
    // Of pods of other nodes that claim the address too, the agent knows no ClusterNetworkPolicies.
    if (!deniedBy) continue;
    const judged = judgeDenial(denial, subject, known, { left: Infinity });
    const [said] = describeDenials([judged], subject, known, texts, 'operators');
    assert.deepEqual([said!.from, said!.to, said!.reason, said!.nearMisses], [from, to, end.reason, end.nearMisses]);
    assert.deepEqual(said!.deniedBy, deniedBy);
    assert.deepEqual([...said!.policies].sort(), deniers(deniedBy, end).sort());
  }
  return asked;
}
