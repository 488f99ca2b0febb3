import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { before, describe, it } from 'mocha';
import { readManifests } from '../../src/cli/explain/cluster-source.ts';
import { prepareCluster, textOf, type Cluster } from '../../src/evaluator/cluster.ts';
import type { Flow } from '../../src/evaluator/decision.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import type { Pod } from '../../src/evaluator/party.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { clusters } from '../support/random-cluster.ts';
import { runs } from '../support/runs.ts';

const file = resolve(import.meta.dirname, '../../docs/conformance/beside-netpol.yaml');
const traffic = [
  { protocol: 'TCP', destinationPort: 80 },
  { protocol: 'TCP', destinationPort: 9 },
  { protocol: 'UDP', destinationPort: 53 },
  { protocol: 'SCTP', destinationPort: 9 },
] as const;

describe("the ClusterNetworkPolicies beside upstream's Netpol tests", () => {
  let beside: readonly JsonObject[];
  before(async () => {
    beside = await readManifests([file]);
  });

  it('are valid, judge every connection between pods, and deny TCP to port 9 alone', () => {
    let [judged, denied] = [0, 0];
    fc.assert(
      fc.property(clusters, (objects) => {
        const policies = objects.filter(({ kind }) => kind !== 'ClusterNetworkPolicy');
        const [alone, together] = [prepareCluster(policies), prepareCluster([...policies, ...beside])];
        assert.deepEqual(
          together.issues.filter(({ object }) => object.includes('beside-netpol')),
          [],
        );
        for (const flow of flowsOf(alone)) {
          const [without, withBoth] = [evaluate(alone, flow), evaluate(together, flow)];
          const isDiscard = flow.protocol === 'TCP' && flow.destinationPort === 9;
          judged++;
          if (isDiscard) {
            assert.equal(withBoth.verdict, 'denied');
            denied++;
          } else assert.equal(withBoth.verdict, without.verdict, JSON.stringify(flow));
          assert.ok(withBoth.egress.tiers && withBoth.ingress.tiers, JSON.stringify(flow));
        }
      }),
      { numRuns: runs(100) },
    );
    assert.ok(judged > 100 && denied > 10, `${judged} connections, ${denied} of them to port 9`);
  });
});

/** Between two pods of namespaces that are known, whose addresses no other pod claims. Other pods are denied more beside a ClusterNetworkPolicy (S10.11, S10.33). */
function flowsOf(cluster: Cluster): Flow[] {
  const isAlone = (pod: Pod): boolean =>
    pod.addresses.every((address) => {
      const [first, ...others] = cluster.claimants.get(textOf(address)) ?? [];
      return first === pod && others.length === 0;
    });
  const pods = [...cluster.pods.values()].filter(
    (pod) => !pod.hostNetwork && isAlone(pod) && cluster.namespaceLabels.has(pod.namespace),
  );
  const ends = pods.map(({ key }) => ({ pod: key }));
  return ends.flatMap((source) =>
    ends.flatMap((destination) => {
      if (source.pod === destination.pod) return [];
      const family = familiesOf(cluster, source).find((each) => familiesOf(cluster, destination).includes(each));
      return family === undefined ? [] : traffic.map((each) => ({ source, destination, family, ...each }));
    }),
  );
}
