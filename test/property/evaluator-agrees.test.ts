import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { Flow } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { leaveOut } from '../../src/evaluator/left-out.ts';
import { nameOfPolicy } from '../../src/model/policy.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { hooksOf, passes, type Place } from '../support/path.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import {
  choosePolicies,
  choices,
  clusters,
  flows,
  nodeNames,
  shapeLimits,
  tieredClusters,
} from '../support/random-cluster.ts';
import { danglingIn } from '../support/dangling.ts';
import { layouts, linksOf, placeOf, placesOf, realFlow, unowned } from '../support/random-places.ts';

/** Set for a long run by hand, which prints its seed and what it judged. */
const clustersByHand = process.env['POSTERN_PROPERTY_CLUSTERS'];
const clusterRuns = Number(clustersByHand ?? 500);
const tieredRuns = Number(clustersByHand ?? 800);
const flowsPerCluster = 30;

describe('random clusters: the evaluator and the packet trace of the compiled rule set agree', function () {
  this.timeout(0);

  it(`on ${clusterRuns * flowsPerCluster} flows, in both ctDirections`, () => {
    const { judged, stopped } = compareOn(clusters);
    assert.ok(judged > clusterRuns * 10, `only ${judged} flows touched a pod`);
    assert.ok(stopped > clusterRuns / 5, `only ${stopped} flows met the gate`);
  });

  it(`on ${tieredRuns * flowsPerCluster} flows with policies of all three tiers (S0.3, S10.2 to S10.6)`, () => {
    const { judged, decided, passed, bridged } = compareOn(tieredClusters, { numRuns: tieredRuns });
    assert.ok(judged >= tieredRuns * 12.5, `only ${judged} flows touched a pod`);
    assert.ok(decided > tieredRuns, `rules of ClusterNetworkPolicies decided only ${decided} times`);
    assert.ok(passed > tieredRuns / 5, `they passed only ${passed} flows on`);
    assert.ok(bridged > tieredRuns / 5, `only ${bridged} tables of bridges`);
  });

  it(`on ${clusterRuns * flowsPerCluster} flows on nodes that leave out the rules of policies (S9.10, S10.23)`, () => {
    const { judged, changed } = compareOn(tieredClusters, { leavesOut: true });
    assert.ok(judged > clusterRuns * 10, `only ${judged} flows touched a pod`);
    assert.ok(changed > clusterRuns / 5, `the policies that are left out changed only ${changed} verdicts`);
  });
});

/**
 * Compares both on random flows, and counts what happened.
 * @param leavesOut whether the nodes leave out the rules of some policies
 */
function compareOn(given: fc.Arbitrary<ApiObject[]>, { numRuns = clusterRuns, leavesOut = false } = {}) {
  let [judged, stopped, decided, passed, bridged, changed] = [0, 0, 0, 0, 0, 0];
  const seed = Number(process.env['POSTERN_PROPERTY_SEED'] ?? randomInt(2 ** 31));
  fc.assert(
    fc.property(
      given,
      shapeLimits,
      layouts,
      fc.boolean(),
      fc.array(flows, { minLength: flowsPerCluster, maxLength: flowsPerCluster }),
      leavesOut ? choices : fc.constant([]),
      (objects, limits, layout, gate, randomFlows, chosen) => {
        const leftOut = choosePolicies(objects, chosen);
        const places = placesOf(objects);
        const links = linksOf(places, layout);
        const compile = (node: string): Ruleset => {
          const pipeline = startPipeline(node, objects, {
            limits,
            gate,
            podCidrs: rangesOf(node, places),
            // The evaluator judges policies alone, and these let pods tunnel to nodes (S1.18).
            allowed: { tunnels: true },
          });
          pipeline.receive({ op: 'links', links });
          const { ruleset } = pipeline.plan(undefined, leftOut).compiled;
          // The kernel refuses a table with a reference to an object that is not in it.
          assert.deepEqual(danglingIn(ruleset), []);
          if (ruleset.bridge) bridged++;
          return ruleset;
        };
        const rulesets = Object.fromEntries(nodeNames.map((node) => [node, compile(node)]));
        const written = prepareCluster(objects);
        const cluster = leaveOut(written, new Map([...leftOut].map((id) => [nameOfPolicy(id), 'for a test'])));
        for (const each of randomFlows) {
          const flow = realFlow(each, objects);
          const source = places.get(flow.source) ?? placeOf(flow.source, objects);
          const destination = places.get(flow.destination) ?? placeOf(flow.destination, objects);
          if (!source || !destination) continue;
          if (hooksOf(source, destination).length === 0) continue;
          const asked: Flow = {
            source: { address: flow.source },
            destination: { address: flow.destination },
            protocol: each.protocol,
            ...(flow.destinationPort === undefined ? {} : { destinationPort: flow.destinationPort }),
            family: each.family,
            // What a pod sends to itself meets these rules only if a Service brings it back (S10.18).
            ...(flow.source === flow.destination && { throughService: true }),
          };
          const decision = evaluate(cluster, asked);
          if (leavesOut && decision.verdict !== evaluate(written, asked).verdict) changed++;
          for (const { tiers } of [decision.egress, decision.ingress]) {
            if (tiers?.decidedBy) decided++;
            passed += tiers?.passedBy.length ?? 0;
          }
          const isGated = gate && [flow.source, flow.destination].some((address) => unowned.includes(address));
          if (isGated) stopped++;
          const verdict = isGated ? 'denied' : decision.verdict;
          judged++;
          for (const orientation of ['original', 'reply'] as const) {
            // A pod's answer to its own node is not judged, nor is what the node sends (S5.1): both ends of the check are the pod's own packets.
            const own = hooksOf(source, destination)[0]!.hook !== 'forward';
            if (own && orientation === 'reply') continue;
            const isPassing = passes(rulesets, flow, { source, destination }, orientation, links);
            assert.equal(
              isPassing ? 'allowed' : 'denied',
              verdict,
              `${JSON.stringify(flow)} ${orientation}: evaluator says ${decision.verdict}: egress: ${decision.egress.reason}; ingress: ${decision.ingress.reason}`,
            );
          }
        }
      },
    ),
    { numRuns, seed },
  );
  if (clustersByHand !== undefined) {
    const counts = `${judged} flows judged, ${decided} ends decided by rules of ClusterNetworkPolicies`;
    process.stdout.write(`seed ${seed}: ${counts}\n`);
  }
  return { judged, stopped, decided, passed, bridged, changed };
}

/** A range for each address, since those of both nodes are mixed. */
function rangesOf(node: string, places: ReadonlyMap<string, Place>): string[] {
  const own = [...places].flatMap(([address, place]) => (place.node === node ? [address] : []));
  return [...own, ...unowned].map((address) => `${address}/${address.includes(':') ? 128 : 32}`);
}
